"""Whether files are opened by paths that lead to them in the container.

It imports the module of an entry point `module:function` first, and changes to the archive's top
level only then, to call the function. A module without a function runs there as a whole. Source:
`extract_customer_code` and `wrap_customer_code` in `src/braket_container.py` of
https://github.com/amazon-braket/amazon-braket-containers.
"""

import ast
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from .entry_point import EntryPoint
from .execution import at_import, may_run
from .finding import Finding, PreflightCheck, Severity
from .program import Context, Module, Program

_OPENERS: Final = frozenset({"open", "listdir", "scandir", "iterdir", "read_text", "read_bytes"})
_LOADERS: Final = frozenset(
    {"load", "loadtxt", "genfromtxt", "fromfile", "memmap", "read_csv", "read_json", "read_parquet",
     "read_pickle", "read_excel", "read_table", "read_hdf", "read_feather", "imread", "loadmat",
     "load_model", "run_path", "safe_load_file", "load_dotenv", "fileConfig", "from_qasm_file"}
)  # fmt: skip
_PATHS: Final = frozenset({"Path", "PurePath", "PosixPath"})
_ON_PATH: Final = frozenset({"open", "read_text", "read_bytes", "iterdir", "write_text",
                             "write_bytes", "mkdir", "glob", "rglob"})  # fmt: skip
_FILE_LIKE: Final = re.compile(r"[^\s:*?\"<>|]*[\w)]\.[A-Za-z0-9]{1,8}|[\w.-]+(?:/[\w.-]+)+/?")
_WRITES: Final = re.compile("[wax]")

_CONTAINERS_OWN: Final = (
    ("input/data", "braket.jobs.get_input_data_dir()"),
    ("input/config", "braket.jobs.get_hyperparameters()"),
    ("checkpoints", "braket.jobs.get_checkpoint_dir()"),
    ("model", "braket.jobs.get_results_dir()"),
    ("output", "braket.jobs.get_results_dir()"),
    ("code", "Path(__file__).parent"),
    ("", "get_input_data_dir(), get_results_dir() and get_checkpoint_dir() of braket.jobs"),
)  # fmt: skip
_OPT: Final = re.compile(r"(?:file://)?/opt/(?:ml|braket)(?:/(?P<below>.*))?", re.DOTALL)
_DEPTH: Final = 20


def check_files(program: Program, entry: EntryPoint, modules: list[Module]) -> Iterator[Finding]:
    """Report paths that lead elsewhere in the container."""
    for module in modules:
        is_main = entry.function is None and module.name.startswith(entry.module)
        reported: set[int] = set()
        if entry.function is not None:
            for finding, line in _at_import(module):
                reported.add(line)
                yield finding
        for node, context in may_run(module, is_main=is_main):
            line = getattr(node, "lineno", 0)
            if line in reported or context is Context.HANDLED:
                continue
            if found := _beside_module(program, module, node) or _container_path(module, node):
                reported.add(line)
                yield found


def _at_import(module: Module) -> Iterator[tuple[Finding, int]]:
    """Relative paths that are used before the container changes the directory."""
    seen: set[int] = set()
    for node, context in at_import(module):
        path, writes = _used_path(node, module)
        if path is None or context is Context.HANDLED or not isinstance(node, ast.Call):
            continue
        if node.lineno in seen:
            continue
        seen.add(node.lineno)
        certain = context is Context.ALWAYS and not writes
        yield (
            Finding(
                PreflightCheck.FILE_PATHS,
                Severity.ERROR if certain else Severity.WARNING,
                f"{module.label}:{node.lineno}",
                f"uses the relative path {path!r} while the module is imported, which the "
                "container does before it changes to the script's folder. "
                + (
                    "Write it in the entry function, below braket.jobs.get_results_dir()."
                    if writes
                    else f"Use Path(__file__).parent / {path!r}, or open it in the entry function."
                ),
            ),
            node.lineno,
        )


def _beside_module(program: Program, module: Module, node: ast.AST) -> Finding | None:
    """A relative path to a file beside the module: the job runs at the archive's top level."""
    path, writes = _used_path(node, module)
    if path is None or writes or not isinstance(node, ast.Call):
        return None
    names = {file.name for file in program.tree.files}
    folder = posixpath.dirname(module.file.name) if module.file else ""
    beside = posixpath.normpath(posixpath.join(folder, path))
    if not folder or posixpath.normpath(path) in names or beside not in names:
        return None
    return Finding(
        PreflightCheck.FILE_PATHS,
        Severity.WARNING,
        f"{module.label}:{node.lineno}",
        f"uses the relative path {path!r}, and the job runs in the folder above, where it is "
        f"{beside!r}. Use Path(__file__).parent / {path!r}.",
    )


def _container_path(module: Module, node: ast.AST) -> Finding | None:
    match node:
        case ast.Constant(value=str(text), lineno=line) if match := _OPT.fullmatch(text):
            below = match["below"] or ""
        case _:
            return None
    if line in module.lines_of_docstrings:
        return None
    fix = next(fix for start, fix in _CONTAINERS_OWN if below.startswith(start))
    return Finding(
        PreflightCheck.FILE_PATHS,
        Severity.WARNING,
        f"{module.label}:{line}",
        f"has the fixed path {text[:60]!r}, which is the container's own affair and not there "
        f"in the local AWS. Use {fix}.",
    )


def _used_path(node: ast.AST, module: Module) -> tuple[str | None, bool]:
    """Return the relative path that a call opens, and whether it writes it."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _ON_PATH and (
            _is_path(owner, module)
        ):
            mode = node.args[0] if node.args and name == "open" else None
            writes = name in {"write_text", "write_bytes", "mkdir"} or _mode_writes(node, mode)
            return _relative(owner, module), writes
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *rest]) if (
            name in _OPENERS
        ):
            if name == "open" and isinstance(node.func, ast.Attribute) and not _is_io(node.func):
                return None, False
            return _relative(first, module), _mode_writes(node, rest[0] if rest else None)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
            name in _LOADERS
        ):
            path = _relative(first, module)
            return (path if path and _FILE_LIKE.fullmatch(path) else None), False
    return None, False


def _is_io(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Name) and func.value.id in {"io", "codecs", "gzip", "bz2"}


def _is_path(node: ast.expr, module: Module) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _PATHS
        case ast.BinOp(left=left, op=ast.Div()):
            return _is_path(left, module)
        case ast.Name(id=name):
            value = module.constant(name)
            return value is not None and not isinstance(value, ast.Name) and _is_path(value, module)
    return False


def _mode_writes(node: ast.Call, mode: ast.expr | None) -> bool:
    mode = next((each.value for each in node.keywords if each.arg == "mode"), mode)
    return isinstance(mode, ast.Constant) and bool(_WRITES.search(str(mode.value)))


def _relative(node: ast.expr, module: Module) -> str | None:
    path = _text(node, module)
    if path is None or not path.strip() or re.match(r"/|~|\\|[A-Za-z]:|[a-z0-9+]+://", path):
        return None
    return path if path.isprintable() else ascii(path)[1:-1]


def _text(node: ast.expr, module: Module, depth: int = 0) -> str | None:
    """The text of a path that is written out."""
    if depth > _DEPTH:
        return None
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            value = module.constant(name)
            return _text(value, module, depth + 1) if value else None
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            parts = [_text(side, module, depth + 1) for side in (left, right)]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[_, *_]) if (
            name in _PATHS or name == "join"
        ):
            parts = [_text(argument, module, depth + 1) for argument in node.args]
        case _:
            return None
    known = [part for part in parts if part is not None]
    return posixpath.join(*known) if len(known) == len(parts) else None
