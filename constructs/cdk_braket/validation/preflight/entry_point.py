"""Checks that the container finds the entry point and can run it.

The container splits `module:function`, imports the module and calls the function. Without a colon
it runs the module as `__main__`. Source: `extract_customer_code` in `src/braket_container.py` of
https://github.com/amazon-braket/amazon-braket-containers.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from .finding import Finding, PreflightCheck, Severity
from .images import Image
from .program import Function, FunctionNode, Module, Program, Unseen, is_main_guard

_A_FILE: Final = "an entry point is a module's dotted name, not a file"

_NESTED_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The parts of an entry point, split as in the container.

    Attributes:
        text: The given string.
        module: The part before the first colon.
        function: The part after the first colon; None without a colon.
    """

    text: str
    module: str
    function: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split at the first colon."""
        module, colon, function = text.partition(":")
        return cls(text, module, function if colon else None)

    @property
    def names_a_file(self) -> bool:
        """Return whether it is a file's path, not a module's name."""
        return "/" in self.text or re.search(r"\.(?:py|ipynb)(?::|$)", self.text) is not None

    @property
    def subject(self) -> str:
        """The entry point as it appears in findings."""
        return f"entry_point={self.text!r}"


@dataclass(frozen=True, slots=True)
class Located:
    """The target of the entry point, as far as the syntax shows it."""

    module: Module | None = None
    function: Function | None = None


def locate(program: Program, entry: EntryPoint) -> tuple[Located, list[Finding]]:
    """Find the target of the entry point.

    Returns:
        The target, and the problems with it.
    """
    module = program.modules.get(entry.module)
    if module is None:
        why = f"the archive holds no module {entry.module!r}"
        if entry.names_a_file:
            why = _A_FILE
        return Located(), [
            _notebook(program, entry) or _error(entry, why, _suggest(program, entry))
        ]
    if module.fault is not None and module.tree is None:
        return Located(module), []
    if entry.function is None:
        return Located(module), list(_check_script(program, module, entry))
    found = program.resolve(module, entry.function) if entry.function.isidentifier() else None
    if found is None:
        why = f"module {module.name!r} defines no {entry.function!r}"
        return Located(module), [
            _method(program, module, entry) or _error(entry, why, _suggest(program, entry))
        ]
    if isinstance(found, Unseen):
        return Located(module), list(_check_unseen(program, module, entry))
    return Located(module, found), list(_check_kind(found, entry))


def check_form(entry: EntryPoint) -> Iterator[Finding]:
    """Check the form of an entry point whose script cannot be read."""
    if entry.names_a_file:
        module = entry.module.removesuffix(".py").removesuffix(".ipynb")
        module = module.removeprefix("./").strip("/").replace("/", ".")
        function = entry.function or "main"
        yield _error(entry, _A_FILE, f"Use entry_point='{module}:{function}'.")
    elif not all(entry.module.split(".")):
        yield _error(entry, "it names no module", "Use entry_point='module:function'.")
    elif entry.function is not None and not entry.function.isidentifier():
        yield _error(entry, "it names no function", "Use entry_point='module:function'.")


def check_module_name(program: Program, entry: EntryPoint, image: Image) -> Iterator[Finding]:
    """Refuse top-level names that the container imports from elsewhere.

    It appends the script's directory to `sys.path`, so the standard library and the packages of
    the image come before it.
    """
    for top, path in program.tops.items():
        subject = entry.subject if path == program.tree.root else f"include_modules={path.name!r}"
        is_python = path.is_dir() or path.suffix == ".py"
        if is_python and (top in image.standard_library or top == "braket" or image.offers(top)):
            yield Finding(
                PreflightCheck.MODULE_NAME,
                Severity.ERROR,
                subject,
                f"the container imports its own module {top!r} instead of the script. "
                f"Rename {path.name!r}.",
            )
        elif "." in top and is_python:
            yield Finding(
                PreflightCheck.MODULE_NAME,
                Severity.ERROR,
                subject,
                f"{path.name!r} cannot be imported, because a dot separates modules. "
                f"Rename it to {top.replace('.', '_')!r}.",
            )


def _error(entry: EntryPoint, why: str, fix: str) -> Finding:
    return Finding(PreflightCheck.ENTRY_POINT, Severity.ERROR, entry.subject, f"{why}. {fix}")


def _check_script(program: Program, module: Module, entry: EntryPoint) -> Iterator[Finding]:
    """Check a module without a function: the container runs it as `__main__`."""
    script: Module | None = module
    if module.is_package:
        script = program.modules.get(f"{module.name}.__main__")
    if script is None:
        why = f"{module.name!r} is a package without __main__.py, so it cannot be run"
        yield _error(entry, why, _suggest(program, entry))
    elif script.tree is not None and _only_defines(script.tree):
        yield Finding(
            PreflightCheck.ENTRY_POINT,
            Severity.WARNING,
            entry.subject,
            f"module {script.name!r} defines functions and calls none, so the job does nothing. "
            + _suggest(program, entry),
        )


def _only_defines(tree: ast.Module) -> bool:
    if not any(isinstance(node, FunctionNode) for node in tree.body):
        return False
    return not any(is_main_guard(node) or _acts(node) for node in tree.body)


def _acts(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return False
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return False
        case ast.Assign() | ast.AnnAssign():
            return any(isinstance(inner, ast.Call | ast.Await) for inner in ast.walk(node))
    return True


def _notebook(program: Program, entry: EntryPoint) -> Finding | None:
    """Explain that a notebook is not a module."""
    notebooks = [file.name for file in program.tree.files if file.name.endswith(".ipynb")]
    wanted = entry.module.removesuffix(".ipynb").replace(".", "/").rpartition("/")[2]
    only = len(program.tree.files) == 1
    for name in notebooks:
        stem = name.rpartition("/")[2].removesuffix(".ipynb")
        if only or stem == wanted:
            module = name.removesuffix(".ipynb").replace("/", ".")
            return _error(
                entry,
                f"{name!r} is a notebook, and the container runs Python modules",
                f"Convert it with `jupyter nbconvert --to script`, pack the .py file and use "
                f"entry_point={module!r}, or move its code into a function of a module.",
            )
    return None


def _method(program: Program, module: Module, entry: EntryPoint) -> Finding | None:
    """Explain that a method is not an entry point: the container looks up a name in the module."""
    owner, dot, method = (entry.function or "").partition("(")[0].partition(".")
    if not dot or not owner.isidentifier():
        return None
    if not isinstance(program.definition(module, owner), ast.ClassDef | Unseen):
        return None
    called = f"{owner}.{method}()" if "." in method else f"{owner}().{method}()"
    return _error(
        entry,
        "the container looks up one name in the module, so no method can be named",
        f"Define `def main(): {called}` in {module.name!r} and use "
        f"entry_point={module.name + ':main'!r}.",
    )


def _check_unseen(program: Program, module: Module, entry: EntryPoint) -> Iterator[Finding]:
    """Check a name that is not bound to a function."""
    match program.definition(module, entry.function or ""):
        case ast.ClassDef() as node:
            yield _class(node, entry)
        case ast.Assign(value=ast.Lambda(body=ast.Yield() | ast.YieldFrom())):
            why = f"{entry.function!r} is a generator function; the container never iterates it"
            yield _error(entry, why, "Name a plain function that does the work.")
        case ast.Assign(value=ast.Call(func=called, args=[ast.Name(id=wrapped), *_])) if (
            _last_name(called) == "partial"
        ):
            inner = program.resolve(module, wrapped)
            if isinstance(inner, Function):
                yield from _check_kind(inner, entry)
        case ast.Assign(value=ast.Constant() | ast.List() | ast.Dict() | ast.Set() | ast.Tuple()):
            yield _error(entry, f"{entry.function!r} cannot be called", _suggest(program, entry))


def _class(node: ast.ClassDef, entry: EntryPoint) -> Finding:
    """Report a class: the container creates an instance and does not use it."""
    methods = {each.name: each for each in node.body if isinstance(each, FunctionNode)}
    runs = [name for name in methods if not name.startswith("_")]
    is_plain = not (node.bases or node.keywords or node.decorator_list)
    does_nothing = is_plain and not methods.keys() & {"__init__", "__new__"}
    call = f"{node.name}(…).{runs[0]}()" if runs else f"{node.name}(…)"
    return Finding(
        PreflightCheck.ENTRY_POINT,
        Severity.ERROR if does_nothing else Severity.WARNING,
        entry.subject,
        f"{node.name!r} is a class: the container creates an instance and calls no method of it. "
        f"Name a function that runs {call}.",
    )


def _check_kind(found: Function, entry: EntryPoint) -> Iterator[Finding]:
    """Check the kind of function: the container calls it and ignores its return value."""
    name = found.node.name
    if any(_last_name(each) == "hybrid_job" for each in found.node.decorator_list):
        why = f"{name!r} is decorated with @hybrid_job, so the job would create another job"
        yield _error(entry, why, "Remove the decorator: HybridJob does its work.")
        return
    if found.node.decorator_list:
        return
    if isinstance(found.node, ast.AsyncFunctionDef):
        why = f"{name!r} is a coroutine function; the container calls it and never awaits it"
        fix = f"Name a plain function that runs asyncio.run({name}(...))."
        yield _error(entry, why, fix)
    elif _is_generator(found.node):
        why = f"{name!r} is a generator function; the container calls it and never iterates it"
        yield _error(entry, why, "Name a plain function that does the work.")


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=func):
            return _last_name(func)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_generator(function: FunctionNode) -> bool:
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _NESTED_SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _suggest(program: Program, entry: EntryPoint) -> str:
    """Return the nearest entry point that works, as one sentence."""
    head, _, tail = entry.module.rpartition(".")
    if entry.function is None and entry.module not in program.modules and head:
        module = _nearest_module(program, head)  # a dot in the colon's place
        if module and isinstance(program.resolve(module, tail), Function):
            return f"Use entry_point={module.name + ':' + tail!r}."
    module = program.modules.get(entry.module) or _nearest_module(program, entry.module)
    if module is None:
        return "Put a Python file into the source and name its module."
    function = _nearest_function(program, module, entry.function or "main")
    if function is None and entry.function:
        module = _module_with(program, entry.function, near=entry.module) or module
        function = _nearest_function(program, module, entry.function)
    if function is None and not _is_runnable(program, module):
        return (
            f"Define a function in {module.name!r}, and name it as {module.name + ':function'!r}."
        )
    best = f"{module.name}:{function}" if function else module.name
    if best == entry.text:
        return "Call the functions that the job must run at the end of the module."
    return f"Use entry_point={best!r}."


def _module_with(program: Program, function: str, *, near: str) -> Module | None:
    """Return the module that defines a function, first inside `near`."""
    found = [
        module for module in program.modules.values()
        if isinstance(program.resolve(module, function), Function)
    ]  # fmt: skip
    return min(
        found, key=lambda module: (not module.name.startswith(near), module.name), default=None
    )


def _is_runnable(program: Program, module: Module) -> bool:
    return not module.is_package or f"{module.name}.__main__" in program.modules


def _nearest_module(program: Program, wanted: str) -> Module | None:
    names = [name for name, module in program.modules.items() if module.file is not None]
    dotted = wanted.replace("\\", "/").removeprefix("./").removesuffix(".py").replace("/", ".")
    top = program.top
    for guess in (dotted, f"{top}.{dotted}", f"{dotted}.__main__", f"{top}.__main__"):
        if guess in names:
            return program.modules[guess]
    last = dotted.rpartition(".")[2]
    same_end = sorted(name for name in names if name.rpartition(".")[2] == last)
    near = difflib.get_close_matches(dotted, names, n=1, cutoff=0.5)
    near_end = [
        name for name in sorted(names)
        if difflib.get_close_matches(last, [name.rpartition(".")[2]], n=1, cutoff=0.6)
    ]  # fmt: skip
    plain = sorted(name for name in names if not name.rpartition(".")[2].startswith("_"))
    for choice in (same_end, near_end, near, plain, sorted(names)):
        if choice:
            return program.modules[choice[0]]
    return None


def _nearest_function(program: Program, module: Module, wanted: str) -> str | None:
    names = [
        name for name in module.bindings
        if isinstance(program.resolve(module, name), Function)
    ]  # fmt: skip
    bare = wanted.partition("(")[0].strip()
    if bare in names:
        return bare
    near = difflib.get_close_matches(bare, names, n=1, cutoff=0.5)
    public = [name for name in names if not name.startswith("_")]
    for choice in (near, ["main"] if "main" in names else [], public):
        if choice:
            return choice[0]
    return None
