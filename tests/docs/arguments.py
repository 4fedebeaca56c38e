"""The arguments of HybridJob, by the names that our pages and errors give them."""

import dataclasses
import inspect
import re
import typing

from cdk_braket import HybridJob


def names() -> list[str]:
    """The names of the arguments of HybridJob, without scope and id."""
    return [
        name
        for name, parameter in inspect.signature(HybridJob.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def exists(name: str) -> bool:
    """Whether there is such an argument, such as `instance.volume_size` or `input_data[…]`.

    What comes after a dot is a field of the argument's own class.
    """
    first, *fields = re.sub(r"\[…\]", "", name).split(".")
    if first not in names():
        return False
    hint = typing.get_type_hints(HybridJob.__init__)[first]
    for field in fields:
        owners = [each for each in _classes(hint) if field in _fields(each)]
        if not owners:
            return False
        hint = None  # nothing of ours goes deeper
    return True


def _classes(hint: object) -> list[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        return [hint]
    return [found for argument in typing.get_args(hint) for found in _classes(argument)]


def _fields(owner: type) -> set[str]:
    if not dataclasses.is_dataclass(owner):
        return set()
    return {field.name for field in dataclasses.fields(owner)}
