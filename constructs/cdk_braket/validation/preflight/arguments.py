"""Checks that the entry function receives the hyperparameters.

The container binds either all hyperparameters by name, or none. If they do not match the signature
exactly, it calls the function without any. Values are strings, and the container casts each one by
calling the argument's annotation. Source: `try_bind_hyperparameters_to_customer_method` in
`src/braket_container.py` of https://github.com/amazon-braket/amazon-braket-containers.
"""

import ast
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .credentials import TOKEN
from .finding import Finding, PreflightCheck, Severity
from .program import Function, Module

# A script that reads its hyperparameters itself contains one of these: the SDK's function, the
# container's variable and file, SageMaker's variables.
_READS_ITSELF: Final = re.compile(
    rb"get_hyperparameters|AMZN_BRAKET_HP_FILE|hyperparameters\.json|SM_HPS?\b|SM_HP_"
)

_CASTS: Final[Mapping[str, Callable[[str], object]]] = {
    "int": int,
    "float": float,
    "complex": complex,
}

# Annotations that cannot cast: called with a string, they raise an error or split it.
_NO_CASTS: Final = frozenset(
    {
        "Any", "Callable", "Collection", "Dict", "FrozenSet", "Iterable", "List", "Literal",
        "Mapping", "MutableMapping", "None", "Optional", "Sequence", "Set", "Tuple", "Union",
        "bytes", "dict", "frozenset", "list", "object", "set", "tuple",
    }
)  # fmt: skip


_SHOWN_LENGTH: Final = 60

# The prefix of the hyperparameters that data parallelism adds.
_OF_DISTRIBUTION: Final = "sagemaker_"

_POSTPONED: Final = (
    "the container casts it by its annotation, which `from __future__ import annotations` turns "
    "into a string, so the job fails with a TypeError. Remove that import."
)
_QUOTED: Final = (
    "the container casts it by its annotation, which is a string in quotes, so the job fails with "
    "a TypeError. Remove the quotes."
)
_BOOL: Final = (
    'the container calls bool() on the string, and bool("False") is True. Annotate it as str and '
    'compare: {} == "True".'
)
_NO_CAST: Final = (
    "the container casts the string by calling `{}`, which does not convert it. Annotate it as str "
    "and convert it in the function."
)
_WRONG_VALUE: Final = (
    "`{}` cannot convert its value, so the cast fails. Use another value, or change the annotation."
)


@dataclass(frozen=True, slots=True)
class _Signature:
    """The arguments of a function by how they can be passed.

    Attributes:
        by_name: Those that a keyword reaches.
        required: Those of `by_name` without a default.
        by_position: Those that no keyword reaches, and whether they are required.
        accepts_any: Whether there is `**kwargs`.
    """

    by_name: Mapping[str, ast.arg]
    required: Sequence[str]
    by_position: Mapping[str, bool]
    accepts_any: bool

    @property
    def is_empty(self) -> bool:
        return not (self.by_name or self.by_position or self.accepts_any)


def check_arguments(
    function: Function, hyperparameters: Mapping[str, str], modules: Sequence[Module]
) -> Iterator[Finding]:
    """Compare a function's arguments with the hyperparameters given.

    Args:
        function: The entry function, without a decorator.
        hyperparameters: Rendered values by name.
        modules: The modules that the entry point imports, which may also read hyperparameters.
    """
    signature = _signature(function.node.args)
    misfits = list(_misfits(function, signature, hyperparameters))
    if not misfits:
        yield from _check_casts(function, signature, hyperparameters)
    elif signature.is_empty:
        yield from check_read(modules, hyperparameters, _subject(function))
    elif signature.required or any(signature.by_position.values()) or not reads_itself(modules):
        yield from misfits


def check_read(
    modules: Sequence[Module], hyperparameters: Mapping[str, str], subject: str
) -> Iterator[Finding]:
    """Warn if nothing seems to read the hyperparameters."""
    if hyperparameters and not reads_itself(modules):
        yield Finding(
            PreflightCheck.HYPERPARAMETERS,
            Severity.WARNING,
            subject,
            f"nothing seems to read the hyperparameters {_listed(hyperparameters)}. "
            "Use a function that has them as arguments, or read braket.jobs.get_hyperparameters().",
        )


def reads_itself(modules: Sequence[Module]) -> bool:
    """Return whether a module contains a call or variable that reads hyperparameters."""
    return any(_READS_ITSELF.search(module.source) for module in modules)


def _signature(arguments: ast.arguments) -> _Signature:
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(arguments.defaults)
    required = {argument.arg for argument in positional[: len(positional) - optional]}
    required |= {
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    }
    by_name = {argument.arg: argument for argument in [*arguments.args, *arguments.kwonlyargs]}
    return _Signature(
        by_name,
        [name for name in by_name if name in required],
        {argument.arg: argument.arg in required for argument in arguments.posonlyargs},
        accepts_any=arguments.kwarg is not None,
    )


def _misfits(
    function: Function, signature: _Signature, hyperparameters: Mapping[str, str]
) -> Iterator[Finding]:
    name = function.node.name
    for argument, is_required in signature.by_position.items():
        if is_required or argument in hyperparameters:
            yield _misfit(
                _subject(function),
                f"{name}() accepts {argument!r} by position only, but the container passes "
                "names. Remove the '/' from its arguments.",
            )
    for argument in signature.required:
        if argument not in hyperparameters:
            near = difflib.get_close_matches(
                argument, [key for key in hyperparameters if key not in signature.by_name], n=1
            )
            fix = f"Rename {near[0]!r}, add it" if near else "Add it"
            yield _misfit(
                _subject(function),
                f"{name}() needs the hyperparameter {argument!r}, which is not given, so the call "
                f"fails. {fix}, or give the argument a default.",
            )
    for key in hyperparameters:
        if key in signature.by_name or key in signature.by_position or signature.accepts_any:
            continue
        yield _misfit(
            f"hyperparameter {key!r}",
            f"{name}() has no argument {key!r}, so the container passes no hyperparameter at all. "
            f"{_fix(key, signature)}.",
        )


def _fix(key: str, signature: _Signature) -> str:
    if key.startswith(_OF_DISTRIBUTION):
        return (
            "It comes with distribution: accept **hyperparameters, or no argument and read "
            "braket.jobs.get_hyperparameters()"
        )
    near = difflib.get_close_matches(key, list(signature.by_name), n=1)
    return f"{f'Use {near[0]!r}' if near else 'Remove it'}, or add the argument"


def _misfit(subject: str, message: str) -> Finding:
    return Finding(PreflightCheck.HYPERPARAMETERS, Severity.ERROR, subject, message)


def _check_casts(
    function: Function, signature: _Signature, hyperparameters: Mapping[str, str]
) -> Iterator[Finding]:
    postponed = _postpones_annotations(function.module)
    for key, value in hyperparameters.items():
        argument = signature.by_name.get(key)
        annotation = argument.annotation if argument else None
        if annotation is None:
            continue
        where = f"{function.module.label}:{annotation.lineno}"
        found = _check_cast(key, value, annotation, postponed=postponed)
        if found:
            check, message = found
            yield Finding(check, Severity.ERROR, f"hyperparameter {key!r} ({where})", message)


def _check_cast(
    key: str, value: str, annotation: ast.expr, *, postponed: bool
) -> tuple[PreflightCheck, str] | None:
    if postponed:
        return PreflightCheck.FUTURE_ANNOTATIONS, _POSTPONED
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return PreflightCheck.FUTURE_ANNOTATIONS, _QUOTED
    name = _annotation_name(annotation)
    if name == "bool":
        return PreflightCheck.BOOL_ARGUMENTS, _BOOL.format(key)
    if name in _NO_CASTS or isinstance(annotation, ast.BinOp):
        return PreflightCheck.ARGUMENT_TYPES, _NO_CAST.format(_text(annotation))
    cast = _CASTS.get(name)
    if cast and not TOKEN.search(value) and not _casts(cast, value):
        return PreflightCheck.ARGUMENT_TYPES, _WRONG_VALUE.format(name)
    return None


def _text(annotation: ast.expr) -> str:
    try:
        text = ast.unparse(annotation)
    except RecursionError:
        return "its annotation"
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def _casts(cast: Callable[[str], object], value: str) -> bool:
    try:
        cast(value)
    except ValueError:
        return False
    return True


def _annotation_name(annotation: ast.expr) -> str:
    """Return the last name of `int`, `typing.Optional` or `list[int]`."""
    match annotation:
        case ast.Constant(value=None):
            return "None"
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
    return ""


def _postpones_annotations(module: Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in (module.tree.body if module.tree else ())
    )


def _subject(function: Function) -> str:
    return f"{function.module.label}:{function.node.lineno}"


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(repr(name) for name in names)
