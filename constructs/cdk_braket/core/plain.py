"""Values of other libraries that have one obvious plain value: enumerations, numbers of numpy."""

import enum
import numbers
from decimal import Decimal
from typing import Final

Hyperparameter = str | int | float | bool
"""A value of a hyperparameter; the job receives it as a string."""

_PLAIN: Final = (str, bool, int, float)


def plain(value: object) -> object:
    """Return the plain value of an enumeration's member or of another library's number.

    An `IntEnum`, `StrEnum` or other enumeration of strings or numbers is its value. A number of
    numpy, or an array of one number, is that number. Anything else is returned as it is.

    Args:
        value: Any value.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value) if isinstance(value, _PLAIN) else value
    if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
        found = item()
        return found if type(found) in _PLAIN else value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    return value


def plain_tree(value: object) -> object:
    """Return a value in which all members of objects and lists are plain, as JSON accepts them."""
    if isinstance(value, dict):
        return {plain(key): plain_tree(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_tree(inner) for inner in value]
    return plain(value)


def plain_hyperparameter(value: object) -> str | int | float | bool:
    """Return a hyperparameter's value as JSON can hold it: a plain value, or a string.

    Args:
        value: A value that `hyperparameter_text` accepts, or a token.
    """
    found = plain(value)
    if isinstance(found, _PLAIN) and type(found) in _PLAIN:
        return found
    return hyperparameter_text(value) or ""


def hyperparameter_text(value: object) -> str | None:
    """Return the text of a hyperparameter's value; None if it has no obvious one.

    Numbers are rendered by Python's `str`, as the Braket SDK does, and a `Decimal` without an
    exponent.

    Args:
        value: The value, no token.
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, numbers.Real) and not isinstance(value, (enum.Enum, numbers.Rational)):
        # As it writes itself: numpy.float32(0.1) is "0.1", and as a Python float 0.10000000149.
        return str(value)
    found = plain(value)
    return str(found) if type(found) in _PLAIN else None
