"""The script as the container's import system would see it, from its syntax alone."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cdk_braket.assets.packaging import SourceFile, SourceTree, shown

from .syntax import SyntaxFault, parse

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")

# A module that calls one of these may bind names that its syntax does not show.
_BINDS_UNSEEN: Final = frozenset({"exec", "eval", "globals", "setattr", "vars", "locals"})
# `setattr(self, …)` and `vars(anything)` are everyday code about objects, not about the module.
_OF_AN_OBJECT: Final = frozenset({"self", "cls"})


@dataclass(frozen=True, slots=True)
class Binding:
    """One statement that binds a name at module level."""

    node: ast.stmt | ast.excepthandler | ast.match_case
    alias: ast.alias | None
    conditional: bool


@dataclass(frozen=True)
class Module:
    """One importable module of the source.

    Attributes:
        name: Its dotted name in the container.
        file: Where its code is; None for a directory without `__init__.py`.
        is_package: Whether it may hold modules.
    """

    name: str
    file: SourceFile | None
    is_package: bool

    @property
    def label(self) -> str:
        """How findings name it: its place in the archive, on one line."""
        return shown(self.file.name if self.file else self.name)

    @cached_property
    def source(self) -> bytes:
        """The file's bytes; empty where there is no Python source to read."""
        if self.file is None or not self.file.name.endswith(".py"):
            return b""
        try:
            return self.file.path.read_bytes()
        except OSError:
            return b""  # packaging reports what cannot be read

    @cached_property
    def _parsed(self) -> tuple[ast.Module | None, SyntaxFault | None]:
        if self.file is not None and not self.file.name.endswith(".py"):
            return None, None
        return parse(self.source)

    @property
    def tree(self) -> ast.Module | None:
        """The syntax tree; None for an extension module and for what does not parse."""
        return self._parsed[0]

    @property
    def fault(self) -> SyntaxFault | None:
        """What is wrong with the syntax."""
        return self._parsed[1]

    @property
    def package(self) -> str:
        """What relative imports in it are relative to."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def bindings(self) -> Mapping[str, Sequence[Binding]]:
        """Names bound at module level, each with its statements in order."""
        found: dict[str, list[Binding]] = {}
        for name, binding in _bindings(self.tree.body if self.tree else []):
            found.setdefault(name, []).append(binding)
        return found

    @cached_property
    def binds_unseen(self) -> bool:
        """Whether names may exist that the syntax does not show."""
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


@dataclass(frozen=True)
class Import:
    """One name that an import statement asks for.

    Attributes:
        module: The absolute name of the module; None if relative dots lead out of the top level.
        name: The name taken from it, `*`, or None for `import module`.
        relative: Whether it was written with leading dots.
        guarded: Whether a failure may be meant: inside `try` or a function.
        line: Where it stands.
    """

    module: str | None
    name: str | None
    relative: bool
    guarded: bool
    line: int


@dataclass
class Program:
    """The modules of a source, by their names in the container.

    Everything stands under one top-level name, since the archive holds one file or one directory.
    """

    tree: SourceTree
    modules: dict[str, Module] = field(init=False)

    def __post_init__(self) -> None:
        self.modules = {}
        for file in self.tree.files:
            self._index(file)

    @property
    def top(self) -> str:
        """The one top-level name: the directory's, or the file's without `.py`."""
        root = self.tree.root
        return root.stem if root.is_file() and root.suffix == ".py" else root.name

    def _index(self, file: SourceFile) -> None:
        *directories, last = file.name.split("/")
        stem, _, suffix = last.partition(".")
        if any("." in directory for directory in directories):
            return  # a dot separates modules, so no import reaches it
        for depth in range(1, len(directories) + 1):
            package = ".".join(directories[:depth])
            self.modules.setdefault(package, Module(package, None, is_package=True))
        if not (suffix == "py" or last.endswith(".so")):
            return
        if stem == "__init__" and directories:
            name = ".".join(directories)
            self.modules[name] = Module(name, file, is_package=True)
            return
        name = ".".join([*directories, stem])
        known = self.modules.get(name)
        # What Python takes first: a package, then a compiled module, then a source, and last a
        # directory without __init__.py.
        compiled_first = suffix != "py" and known is not None and not known.is_package
        if known is None or known.file is None or compiled_first:
            self.modules[name] = Module(name, file, is_package=False)

    def resolve(self, module: Module, name: str) -> Function | Unseen | None:
        """Find what `getattr(module, name)` is, through aliases and imports of this source.

        Returns:
            The function, `Unseen` for what syntax does not decide, None if there is no such name.
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

    def reachable(self, module: Module) -> list[Module]:
        """The modules of this source that importing `module` may import, itself included."""
        found: dict[str, Module] = {}
        pending = [*self._with_parents(module.name)]
        while pending:
            here = pending.pop()
            if here.name in found:
                continue
            found[here.name] = here
            for wanted in imports(here):
                if wanted.module is None:
                    continue
                pending.extend(self._with_parents(wanted.module))
                if wanted.name and (below := self.modules.get(f"{wanted.module}.{wanted.name}")):
                    pending.append(below)
        return [found[name] for name in sorted(found)]

    def _with_parents(self, name: str) -> Iterator[Module]:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            if known := self.modules.get(".".join(parts[:depth])):
                yield known


def absolute(module: Module, node: ast.ImportFrom) -> str | None:
    """The absolute name of the module that a `from … import` names."""
    if not node.level:
        return node.module
    base = module.package.split(".") if module.package else []
    kept = len(base) - (node.level - 1)
    if kept <= 0:
        return None
    return ".".join([*base[:kept], *([node.module] if node.module else [])])


def imports(module: Module) -> Iterator[Import]:
    """Every import statement of a module but those for type checkers alone."""
    pending: list[tuple[ast.AST, bool]] = [(module.tree, False)] if module.tree else []
    while pending:
        node, guarded = pending.pop()
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, None, False, guarded, node.lineno)
                continue
            case ast.ImportFrom(names=names, level=level):
                target = absolute(module, node)
                for alias in names:
                    yield Import(target, alias.name, level > 0, guarded, node.lineno)
                continue
            case ast.If() if _is_never_run(node):
                pending.extend((child, guarded) for child in node.orelse)
                continue
            case ast.Try() | ast.TryStar() | ast.FunctionDef() | ast.AsyncFunctionDef():
                guarded = True
        if isinstance(node, ast.expr):
            continue
        pending.extend((child, guarded) for child in ast.iter_child_nodes(node))


def is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
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
    """Names that a statement assigns to, its blocks left out."""
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
