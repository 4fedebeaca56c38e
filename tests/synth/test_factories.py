"""Public constructors accept public types alone; classes with private parts have factories."""

import inspect
import typing
from collections.abc import Iterator

import pytest

import cdk_braket
from cdk_braket import AlgorithmScript, CheckpointSource, InputChannel
from tests import public_api

_FACTORY_ONLY = (AlgorithmScript, CheckpointSource, InputChannel)


def _types(hint: object) -> Iterator[type]:
    if typing.get_args(hint):
        for argument in typing.get_args(hint):
            yield from _types(argument)
    elif isinstance(hint, type):
        yield hint


def _private_types(owner: type) -> list[str]:
    """The types of this package in a constructor that are not public names."""
    hints = typing.get_type_hints(inspect.getattr_static(owner, "__init__"))
    found = {each for hint in hints.values() for each in _types(hint)}
    public = {getattr(cdk_braket, name) for name in public_api.NAMES}
    ours = {each for each in found if each.__module__.startswith("cdk_braket")}
    return sorted(each.__name__ for each in ours - public)


@pytest.mark.parametrize("name", public_api.CLASSES)
def test_a_public_constructor_accepts_public_types_alone(name: str) -> None:
    if name == "ValidationError":
        # The library raises it, and users catch it.
        assert _private_types(public_api.CLASSES[name]) == ["Issue"]
        return
    assert _private_types(public_api.CLASSES[name]) == []


@pytest.mark.parametrize("owner", _FACTORY_ONLY)
def test_a_constructor_names_the_factories(owner: type) -> None:
    with pytest.raises(TypeError) as caught:
        owner()
    factories = [name for name, _ in inspect.getmembers(owner) if name.startswith("from_")]
    assert factories
    assert all(f"{owner.__name__}.{name}(…)" in str(caught.value) for name in factories)


def test_instances_of_factories_are_immutable_and_compare_by_value() -> None:
    first, second = (InputChannel.from_s3_uri("s3://amazon-braket-mine/a") for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(AttributeError):
        first.content_type = "text/csv"  # type: ignore[misc]  # the test assigns to a frozen field
