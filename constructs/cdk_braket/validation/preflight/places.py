"""Paths that a module writes with `__file__`, and the folders that it adds to `sys.path`.

A place is a path from the archive's top level, as its parts; a place that begins with `..` is
outside the archive.
"""

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .program import Module

Place = tuple[str, ...]

# Calls that return the path that they are given, and those that return its folder.
_SAME: Final = frozenset(
    {"abspath", "realpath", "normpath", "expanduser", "fspath", "Path", "PurePath", "PosixPath",
     "PurePosixPath", "str", "resolve", "absolute", "as_posix"}
)  # fmt: skip
_JOINS: Final = frozenset({"join", "joinpath"})
_DEPTH: Final = 30


@dataclass(frozen=True, slots=True)
class PathEntry:
    """A folder that a module adds to `sys.path`.

    Attributes:
        line: Where it does so.
        place: The folder; None if syntax does not show it.
    """

    line: int
    place: Place | None


def place_of(node: ast.AST, module: Module, depth: int = 0) -> Place | None:
    """Return the place that an expression is, if it is built from `__file__`; else None."""
    place: Place | None = None
    if depth > _DEPTH:
        return place
    match node:
        case ast.Name(id="__file__"):
            place = tuple(module.file.name.split("/")) if module.file else None
        case ast.Name(id=name):
            value = module.constant(name)
            place = place_of(value, module, depth + 1) if value else None
        case ast.Attribute(value=inner, attr="parent"):
            place = _up(place_of(inner, module, depth + 1))
        case ast.Subscript(
            value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(steps))
        ) if 0 <= steps < _DEPTH:
            place = place_of(inner, module, depth + 1)
            for _ in range(steps + 1):
                place = _up(place)
        case ast.BinOp(left=left, op=ast.Div() | ast.Add(), right=ast.Constant(value=str(text))):
            place = _join(place_of(left, module, depth + 1), text)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            place = _called(node, name, module, depth + 1)
    return place


def _called(node: ast.Call, name: str, module: Module, depth: int) -> Place | None:
    arguments = list(node.args)
    if not arguments and isinstance(node.func, ast.Attribute):
        arguments = [node.func.value]
    elif name == "joinpath" and isinstance(node.func, ast.Attribute):
        arguments = [node.func.value, *arguments]
    if not arguments:
        return None
    place = place_of(arguments[0], module, depth)
    if name == "dirname":
        return _up(place)
    if name in _JOINS or (name in _SAME and len(arguments) > 1):
        for argument in arguments[1:]:
            text = argument.value if isinstance(argument, ast.Constant) else None
            if text in {"..", "."} or isinstance(text, str):
                place = _join(place, str(text))
            elif isinstance(argument, ast.Attribute) and argument.attr == "pardir":
                place = _up(place)
            else:
                return None
        return place
    return place if name in _SAME else None


def _up(place: Place | None) -> Place | None:
    return None if place is None else _join(place, "..")


def _join(place: Place | None, text: str) -> Place | None:
    if place is None:
        return None
    joined = posixpath.normpath("/".join([*place, *text.strip("/").split("/")]) or ".")
    return () if joined == "." else tuple(joined.split("/"))


def path_entries(module: Module) -> Iterator[PathEntry]:
    """Find the folders that a module adds to `sys.path`, wherever in it."""
    for node in ast.walk(module.tree) if module.tree else ():
        values: list[ast.expr] | None = None
        match node:
            case ast.Call(
                func=ast.Attribute(value=target, attr="append" | "insert" | "extend")
            ) if _is_sys_path(target):
                values = node.args[-1:]
            case ast.Call(func=ast.Attribute(attr="addsitedir") | ast.Name(id="addsitedir")):
                values = node.args[:1]
            case ast.AugAssign(target=target, value=value) if _is_sys_path(target):
                values = [value]
            case ast.Assign(targets=[target], value=value) if _is_sys_path(target):
                values = [value]
        if values is not None:
            for value in values or [ast.Constant(value=None)]:
                yield from _entries(value, module, node.lineno)  # type: ignore[attr-defined]


def _entries(value: ast.expr, module: Module, line: int) -> Iterator[PathEntry]:
    match value:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            for element in elements:
                yield from _entries(element, module, line)
        case ast.BinOp(left=left, op=ast.Add(), right=right) if not isinstance(right, ast.Constant):
            for side in (left, right):
                if not _is_sys_path(side):
                    yield from _entries(side, module, line)
        case ast.Starred(value=inner) if _is_sys_path(inner):
            return
        case _:
            yield PathEntry(line, place_of(value, module))


def _is_sys_path(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
            return True
        case ast.Subscript(value=inner):
            return _is_sys_path(inner)
    return False
