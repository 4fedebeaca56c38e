"""Turns a Python function into a module that a job can import.

The module contains the source of the function, not its pickled form. It runs in every version of
Python, and people can review it. Its bytes change with the code alone, so an unchanged function
starts no new job.
"""

import ast
import atexit
import builtins
import cmath
import inspect
import math
import shutil
import symtable
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

MODULE: Final = "job_function"
"""The name of the module."""

REQUIREMENTS: Final = "requirements.txt"

_LITERALS: Final = (bool, int, float, complex, str, bytes, type(None))


class FunctionError(ValueError):
    """A function that cannot be a script.

    Attributes:
        problems: One line for each problem, with a fix.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def source_of(function: Callable[..., object]) -> str:
    """Return a module with a function, and with all names that it uses.

    Modules, functions and classes of other modules are imported. Functions and classes of the
    function's own module are copied, and constants are written as literals.

    Args:
        function: A function that was written with `def` at the top level of a file or a notebook.

    Raises:
        FunctionError: It is not such a function, or uses a name that has no source.

    Example:
        >>> def double(number: int) -> int:
        ...     return 2 * number
        >>> try:
        ...     source_of(double.__call__)
        ... except FunctionError as error:
        ...     print("expected a function" in str(error))
        True
    """
    plain = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        raise FunctionError([f"expected a function, got {type(plain).__name__}. Use `def`."])
    module = _Module(plain.__module__)
    module.add(plain.__name__, plain)
    if module.problems:
        raise FunctionError(module.problems)
    return "\n".join([*sorted(module.imports), "", *module.constants, *module.definitions])


def write_script(
    function: Callable[..., object], dependencies: str | Path | Sequence[str]
) -> tuple[Path, tuple[Path, ...]]:
    """Write the script of a function into a new folder, which lives as long as this process.

    Args:
        function: The function.
        dependencies: The path of a requirements.txt, or the requirements themselves.

    Returns:
        The script, and the files beside it.

    Raises:
        FunctionError: The function cannot be a script.
        OSError: The file with the requirements cannot be read.
        UnicodeDecodeError: It is not in UTF-8.
    """
    text = source_of(function)
    lines = (
        Path(dependencies).read_text(encoding="utf-8")
        if isinstance(dependencies, str | Path)
        else "".join(f"{line}\n" for line in dependencies)
    )
    folder = Path(tempfile.mkdtemp(prefix="cdk-braket-function-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    script = folder / f"{MODULE}.py"
    script.write_text(text, encoding="utf-8")
    if not lines:
        return script, ()
    requirements = folder / REQUIREMENTS
    requirements.write_text(lines, encoding="utf-8")
    return script, (requirements,)


class _Module:
    """The module of a function, as it grows by the names that its parts use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: set[str] = set()
        self.imports: set[str] = set()
        self.constants: list[str] = []
        self.definitions: list[str] = []
        self.problems: list[str] = []

    def add(self, name: str, value: object) -> None:
        """Add a name with its value, unless it is there."""
        if name in self._known:
            return
        self._known.add(name)
        if isinstance(value, ModuleType):
            self.imports.add(_import_of(value.__name__, name))
        elif isinstance(value, float) and not math.isfinite(value):
            self.constants.append(f"{name} = float({str(value)!r})\n")
        elif _is_literal(value):
            self.constants.append(f"{name} = {value!r}\n")
        elif isinstance(value, FunctionType | type) and value.__module__ == self._name:
            self._define(name, value)
        elif isinstance(getattr(value, "__module__", None), str) and _is_found(value):
            self._import_from(name, value)
        else:
            self.problems.append(
                f"uses {name}, a {type(value).__name__} that has no source. Create it in the "
                f"function, or use a hyperparameter."
            )

    def _import_from(self, name: str, value: Any) -> None:  # noqa: ANN401 - of any library
        alias = "" if value.__qualname__ == name else f" as {name}"
        self.imports.add(f"from {value.__module__} import {value.__qualname__}{alias}")

    def _define(self, name: str, value: FunctionType | type) -> None:
        text = self._text_of(name, value)
        if not text:
            return
        if isinstance(value, FunctionType) and value.__code__.co_freevars:
            names = ", ".join(value.__code__.co_freevars)
            self.problems.append(
                f"{name} uses {names} of the function around it. Define {name} at the top level."
            )
        where = value.__globals__ if isinstance(value, FunctionType) else _globals_of(value)
        for used in sorted(_names(symtable.symtable(text, name, "exec"))):
            if used in where and not _is_builtin(used, where[used]):
                self.add(used, where[used])
        # After all that it uses when it is defined, such as default values.
        self.definitions.append(f"\n{text}")

    def _text_of(self, name: str, value: FunctionType | type) -> str:
        """Return the source of a definition, of a function without decorators."""
        try:
            source = textwrap.dedent(inspect.getsource(value))
            node = ast.parse(source).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            node, source = None, ""
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name != name:
            self.problems.append(f"{name} has no source. Define it with `def {name}`.")
            return ""
        lines = source.splitlines(keepends=True)
        if isinstance(node, ast.FunctionDef):
            # Decorators of the SDK would start another job.
            lines = lines[node.lineno - 1 : node.end_lineno]
        return "".join(lines).rstrip() + "\n"


def _import_of(module: str, name: str) -> str:
    return f"import {module}" if module == name else f"import {module} as {name}"


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple | list):
        return type(value) in {tuple, list} and all(map(_is_literal, value))
    if type(value) is dict:
        return all(_is_literal(part) for pair in value.items() for part in pair)
    if isinstance(value, float | complex) and not cmath.isfinite(value):
        return False  # it has no literal
    return type(value) in _LITERALS


def _is_found(value: Any) -> bool:  # noqa: ANN401 - of any library
    """Whether a value can be imported from its module by its name."""
    name = getattr(value, "__qualname__", "")
    module = inspect.getmodule(value)
    return bool(name) and module is not None and getattr(module, name, None) is value


def _is_builtin(name: str, value: object) -> bool:
    return getattr(builtins, name, None) is value


def _globals_of(value: type) -> dict[str, object]:
    module = inspect.getmodule(value)
    return dict(vars(module)) if module else {}


def _names(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names of the module that a definition uses; not its local variables."""
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _names(child)
