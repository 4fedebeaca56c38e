"""The public API: its names, its functions, and the arguments of HybridJob."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator

import cdk_braket
from cdk_braket import HybridJob

NAMES = sorted(cdk_braket.__all__)
CLASSES = {
    name: found
    for name in NAMES
    if isinstance(found := getattr(cdk_braket, name), type)
    and not getattr(found, "_is_protocol", False)
}


def functions() -> Iterator[tuple[str, str, Callable[..., object]]]:
    """Each public function of each public class, by class and name, inherited ones included."""
    for class_name, owner in CLASSES.items():
        for name, function in inspect.getmembers(owner, callable):
            is_ours = str(getattr(function, "__module__", "")).startswith("cdk_braket")
            if is_ours and (name == "__init__" or not name.startswith("_")):
                yield class_name, name, function


def arguments() -> list[str]:
    """The names of the arguments of HybridJob, without scope and id."""
    return [
        name
        for name, parameter in inspect.signature(HybridJob.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def exists(name: str) -> bool:
    """Whether there is such an argument, such as `instance.volume_size` or `input_data[…]`.

    The part after a dot is a field of the argument's class.
    """
    first, *fields = re.sub(r"\[…\]", "", name).split(".")
    if first not in arguments():
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
