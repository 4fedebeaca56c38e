"""The script as the container's import system sees it, read from its syntax only."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from cdk_braket.assets.packaging import SourceFile, SourceTree, shown

from .images import CONTAINER_PYTHON, Version
from .syntax import SyntaxFault, parse

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")

# Calls that import the module that their first argument names.
_IMPORTING: Final = frozenset({"import_module", "__import__", "run_module"})
IMPORT_ERRORS: Final = frozenset(
    {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
)

# A condition with one of these depends on the platform.
_PLATFORM: Final = frozenset({"version_info", "platform", "find_spec", "system", "hexversion"})

# A module that calls one of these may bind names that its syntax does not show.
_BINDS_UNSEEN: Final = frozenset({"exec", "eval", "globals", "setattr", "vars", "locals"})
# `setattr(self, …)` and `vars(anything)` are common in code about objects, not about the module.
_OF_AN_OBJECT: Final = frozenset({"self", "cls"})


# The longest chain of names bound to names. A longer one is a circle.
_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Binding:
    """One statement that binds a name at module level."""

    node: ast.stmt | ast.excepthandler | ast.match_case
    alias: ast.alias | None
    conditional: bool


class Context(IntEnum):
    """Whether a statement runs when its module is imported. Later members are less certain."""

    ALWAYS = 0
    """It runs."""
    PERHAPS = 1
    """It is in a function, or under a condition."""
    MAIN = 2
    """It is under `if __name__ == "__main__"`."""
    HANDLED = 3
    """The script is prepared for its failure, or for a Python or system without it."""


@dataclass(frozen=True)
class Import:
    """One name in an import statement.

    Attributes:
        module: The absolute name of the module; None if relative dots lead out of the top level.
        name: The imported name, `*`, or None for `import module`.
        relative: Whether it was written with leading dots.
        context: Whether it is run.
        line: Its line number.
    """

    module: str | None
    name: str | None
    relative: bool
    context: Context
    line: int


@dataclass(frozen=True)
class Module:
    """One importable module of the source.

    Attributes:
        name: Its dotted name in the container.
        file: Where its code is; None for a directory without `__init__.py`.
        is_package: Whether it may hold modules.
        python: The container's Python; None if it is not known.
    """

    name: str
    file: SourceFile | None
    is_package: bool
    python: Version | None = CONTAINER_PYTHON

    @property
    def label(self) -> str:
        """The module's place in the archive, on one line, for findings."""
        return shown(self.file.name if self.file else self.name)

    @cached_property
    def source(self) -> bytes:
        """The file's bytes; empty where there is no Python source to read."""
        if self.file is None or not self.file.name.endswith(".py"):
            return b""
        try:
            return self.file.path.read_bytes()
        except OSError:
            return b""  # packaging reports unreadable files

    @cached_property
    def _parsed(self) -> tuple[ast.Module | None, SyntaxFault | None]:
        if self.file is not None and not self.file.name.endswith(".py"):
            return None, None
        return parse(self.source, self.python)

    @property
    def tree(self) -> ast.Module | None:
        """The syntax tree; None for an extension module and for a file that does not parse."""
        return self._parsed[0]

    @property
    def fault(self) -> SyntaxFault | None:
        """The syntax error."""
        return self._parsed[1]

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def imports(self) -> Sequence[Import]:
        """Its imports, without those for type checkers only."""
        return tuple(imports(self))

    @cached_property
    def bindings(self) -> Mapping[str, Sequence[Binding]]:
        """Names bound at module level, each with its statements in order."""
        found: dict[str, list[Binding]] = {}
        for name, binding in _bindings(self.tree.body if self.tree else []):
            found.setdefault(name, []).append(binding)
        return found

    @cached_property
    def lines_of_docstrings(self) -> frozenset[int]:
        """The lines on which a string stands alone, as docstrings do."""
        found = (
            (node for node in ast.walk(self.tree) if isinstance(node, ast.Expr))
            if self.tree
            else ()
        )
        return frozenset(
            node.lineno
            for node in found
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )

    def constant(self, name: str) -> ast.expr | None:
        """Return the value of a name that the module assigns once and in any case, else None."""
        match self.bindings.get(name, ()):
            case [Binding(node=ast.Assign(targets=[ast.Name()], value=value), conditional=False)]:
                return value
            case [Binding(node=ast.AnnAssign(value=ast.expr() as value), conditional=False)]:
                return value
        return None

    @cached_property
    def binds_unseen(self) -> bool:
        """Return whether names may exist that the syntax does not show."""
        if self.tree is None:
            return self.file is not None
        if "__getattr__" in self.bindings:
            return True
        return any(_may_bind_unseen(node) for node in ast.walk(self.tree))

    @cached_property
    def globals_in_functions(self) -> frozenset[str]:
        """Names that functions declare global."""
        nodes = ast.walk(self.tree) if self.tree else ()
        return frozenset(n for node in nodes if isinstance(node, ast.Global) for n in node.names)


def _may_bind_unseen(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="vars"), args=[_]):
            return False
        case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=name), *_]):
            return name not in _OF_AN_OBJECT
        case ast.Call(func=ast.Name(id=name)):
            return name in _BINDS_UNSEEN
    return False


@dataclass(frozen=True, slots=True)
class Function:
    """A function found by name, in the module that defines it."""

    node: FunctionNode
    module: Module


class Unseen:
    """A name that exists, or may exist, but whose definition plain syntax does not show."""


@dataclass
class Program:
    """The modules of an archive, by their names in the container."""

    tree: SourceTree
    python: Version | None = CONTAINER_PYTHON
    modules: dict[str, Module] = field(init=False)

    def __post_init__(self) -> None:
        self.modules = {}
        for file in self.tree.files:
            self._index(file)

    @property
    def top(self) -> str:
        """The source's top-level name: the directory's, or the file's without `.py`."""
        return _top(self.tree.root)

    @property
    def tops(self) -> dict[str, Path]:
        """The top-level names of all sources in the archive, with their paths."""
        return {_top(path): path for path in (self.tree.root, *self.tree.included)}

    def _index(self, file: SourceFile) -> None:
        *directories, last = file.name.split("/")
        stem, _, suffix = last.partition(".")
        if any("." in directory for directory in directories):
            return  # a dot separates modules, so no import reaches it
        for depth in range(1, len(directories) + 1):
            package = ".".join(directories[:depth])
            self.modules.setdefault(package, self._module(package, None, is_package=True))
        if not (suffix == "py" or last.endswith(".so")):
            return
        if stem == "__init__" and directories:
            name = ".".join(directories)
            self.modules[name] = self._module(name, file, is_package=True)
            return
        name = ".".join([*directories, stem])
        known = self.modules.get(name)
        # The order in which Python searches: a package, a compiled module, a source, and a
        # directory without __init__.py.
        compiled_first = suffix != "py" and known is not None and not known.is_package
        if known is None or known.file is None or compiled_first:
            self.modules[name] = self._module(name, file, is_package=False)

    def path_of(self, name: str) -> str | None:
        """Return the path of an existing module that is not in the archive, below its source."""
        top, _, rest = name.partition(".")
        root = self.tops.get(top)
        if root is None or not rest or not root.is_dir():
            return None
        below = rest.replace(".", "/")
        for relative in (f"{below}.py", f"{below}/__init__.py", below):
            if (root / relative).exists():
                return relative
        return None

    def _module(self, name: str, file: SourceFile | None, *, is_package: bool) -> Module:
        return Module(name, file, is_package, self.python)

    def resolve(self, module: Module, name: str) -> Function | Unseen | None:
        """Resolve `getattr(module, name)`, through aliases and imports of this source.

        Returns:
            The function, `Unseen` if the syntax is not enough, None if there is no such name.
        """
        pending = [(module, name)]
        seen: set[tuple[str, str]] = set()
        unseen = False
        while pending:
            here, wanted = pending.pop()
            if (here.name, wanted) in seen:
                continue
            seen.add((here.name, wanted))
            for step in self._step(here, wanted):
                if isinstance(step, Function):
                    return step
                if isinstance(step, Unseen):
                    unseen = True
                else:
                    pending.append(step)
        return Unseen() if unseen else None

    def definition(self, module: Module, name: str) -> ast.stmt | Unseen | None:
        """Return the one statement that binds a name, followed through imports of the archive.

        Returns:
            The statement, `Unseen` where more than one or none that is seen binds it, or None.
        """
        for _ in range(_STEPS):
            match module.bindings.get(name, ()):
                case [Binding(node=ast.ImportFrom() as node, alias=ast.alias(name=origin_name))]:
                    origin = self.modules.get(absolute(module, node) or "")
                    if origin is None or origin_name == "*":
                        return Unseen()
                    module, name = origin, origin_name
                case [Binding(node=ast.Assign(targets=[ast.Name()], value=ast.Name(id=other)))]:
                    name = other
                case [Binding(node=ast.stmt() as node)]:
                    return node
                case []:
                    return Unseen() if module.binds_unseen or "*" in module.bindings else None
                case _:
                    return Unseen()
        return Unseen()

    def _step(self, module: Module, name: str) -> Iterator[Function | Unseen | tuple[Module, str]]:
        bindings = module.bindings.get(name)
        if bindings:
            yield from self._follow(module, bindings)
            return
        if name in module.globals_in_functions or module.binds_unseen:
            yield Unseen()
        for star in module.bindings.get("*", ()):
            if isinstance(star.node, ast.ImportFrom):
                origin = self.modules.get(absolute(module, star.node) or "")
                yield (origin, name) if origin else Unseen()

    def _follow(
        self, module: Module, bindings: Sequence[Binding]
    ) -> Iterator[Function | Unseen | tuple[Module, str]]:
        if len(bindings) > 1 and any(binding.conditional for binding in bindings):
            yield Unseen()
            return
        match bindings[-1]:
            case Binding(node=ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                yield Function(node, module)
            case Binding(node=ast.Assign(targets=[ast.Name()], value=ast.Name(id=other))):
                yield (module, other) if other in module.bindings else Unseen()
            case Binding(node=ast.ImportFrom() as node, alias=ast.alias(name=origin_name)):
                origin = self.modules.get(absolute(module, node) or "")
                is_module = origin is not None and f"{origin.name}.{origin_name}" in self.modules
                if origin is None or (is_module and origin_name not in origin.bindings):
                    yield Unseen()
                else:
                    yield (origin, origin_name)
            case _:
                yield Unseen()


def _top(path: Path) -> str:
    return path.stem if path.is_file() and path.suffix == ".py" else path.name


def absolute(module: Module, node: ast.ImportFrom) -> str | None:
    """Return the absolute name of the module in a `from … import`."""
    if not node.level:
        return node.module
    base = module.package.split(".") if module.package else []
    kept = len(base) - (node.level - 1)
    if kept <= 0:
        return None
    return ".".join([*base[:kept], *([node.module] if node.module else [])])


def imports(module: Module) -> Iterator[Import]:
    """Yield every import of a module, without those for type checkers only."""
    for node, context in nodes(module):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, None, False, context, node.lineno)
            case ast.ImportFrom(names=names, level=level):
                target = absolute(module, node)
                for alias in names:
                    yield Import(target, alias.name, level > 0, context, node.lineno)
            case ast.Call():
                yield from _imported_by_call(module, node, context)


def _imported_by_call(module: Module, node: ast.Call, context: Context) -> Iterator[Import]:
    match node:
        case ast.Call(
            func=ast.Name(id=called) | ast.Attribute(attr=called),
            args=[ast.Constant(value=str(name)), *rest],
        ) if called in _IMPORTING:
            pass
        case _:
            return
    stripped = name.lstrip(".")
    level = len(name) - len(stripped)
    if not level:
        if stripped and all(part.isidentifier() for part in stripped.split(".")):
            yield Import(stripped, None, False, context, node.lineno)
        return
    package = (
        rest[0] if rest else next((k.value for k in node.keywords if k.arg == "package"), None)
    )
    if isinstance(package, ast.Name) and package.id in {"__package__", "__name__"}:
        statement = ast.ImportFrom(module=stripped or None, names=[], level=level)
        yield Import(absolute(module, statement), None, True, context, node.lineno)


def nodes(module: Module) -> Iterator[tuple[ast.AST, Context]]:
    """Yield every node of a module's syntax, with whether it runs at import."""
    pending: list[tuple[ast.AST, Context]] = [(module.tree, Context.ALWAYS)] if module.tree else []
    while pending:
        node, context = pending.pop()
        yield node, context
        pending.extend(reversed(list(children(node, context))))


def children(
    node: ast.AST, context: Context, errors: frozenset[str] = IMPORT_ERRORS
) -> Iterator[tuple[ast.AST, Context]]:
    """Yield the nodes below a node, each with whether it runs.

    Args:
        node: The node.
        context: Whether the node itself runs.
        errors: The names of errors that a `try` handles if a failure is expected.
    """
    body, rest = context, context
    match node:
        case ast.If() if _is_never_run(node):
            yield from ((child, context) for child in node.orelse)
            return
        case ast.If() if is_main_guard(node):
            body = max(context, Context.MAIN)
        case ast.If(test=test) if _checks_platform(test):
            body = rest = Context.HANDLED
        case ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.Match():
            body = rest = max(context, Context.PERHAPS)
        case ast.Try() | ast.TryStar() if any(_catches(each, errors) for each in node.handlers):
            body = rest = Context.HANDLED
        case ast.With(items=items) if any(_suppresses(item.context_expr, errors) for item in items):
            body = Context.HANDLED
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            body = max(context, Context.PERHAPS)
    blocks = {id(child) for child in _body(node)}
    for child in ast.iter_child_nodes(node):
        yield child, body if id(child) in blocks else rest


def _body(node: ast.AST) -> Sequence[ast.AST]:
    body = getattr(node, "body", ())
    return body if isinstance(body, list) else [body] if body else ()


def _checks_platform(test: ast.expr) -> bool:
    return any(_name_of(node) in _PLATFORM for node in ast.walk(test))


def _catches(handler: ast.ExceptHandler, errors: frozenset[str]) -> bool:
    if handler.type is None:
        return True
    return any(_name_of(node) in errors for node in ast.walk(handler.type))


def _suppresses(node: ast.expr, errors: frozenset[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
            return any(_name_of(each) in errors for each in args)
    return False


def _name_of(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def is_main_guard(node: ast.stmt) -> bool:
    """Return whether a statement is `if __name__ == "__main__":`."""
    match node:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()])):
            return True
    return False


def _is_never_run(node: ast.If) -> bool:
    match node.test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False


def _bindings(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Binding]]:
    pending: list[tuple[ast.AST, bool]] = [(node, False) for node in reversed(body)]
    while pending:
        node, conditional = pending.pop()
        if isinstance(node, ast.If) and (_is_never_run(node) or is_main_guard(node)):
            # The container imports the module under its own name, so its main block does not run.
            pending.extend((child, True) for child in reversed(node.orelse))
            continue
        if not isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            continue
        yield from _bound_by(node, conditional=conditional)
        if isinstance(node, FunctionNode | ast.ClassDef):
            continue
        inner = [child for block in _BLOCKS for child in getattr(node, block, ())]
        pending.extend((child, True) for child in reversed(inner))


def _bound_by(
    node: ast.stmt | ast.excepthandler | ast.match_case, *, conditional: bool
) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, Binding(node, None, conditional)
        case ast.Import() | ast.ImportFrom():
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, Binding(node, alias, conditional)
        case _:
            for name in _stored_names(node):
                yield name, Binding(node, None, conditional)


def _stored_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement assigns to, without its blocks."""
    blocks = {id(child) for block in _BLOCKS for child in getattr(node, block, ())}
    for child in ast.iter_child_nodes(node):
        if id(child) in blocks:
            continue
        for inner in ast.walk(child):
            match inner:
                case ast.Name(id=name, ctx=ast.Store()):
                    yield name
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    yield name
