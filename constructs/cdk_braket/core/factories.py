"""Classes that only their factories create: no public constructor accepts a private type."""

from typing import Any, Self


class FactoryOnly:
    """A base of immutable classes whose instances come from functions such as `from_bucket`."""

    __slots__ = ()

    def __init__(self) -> None:
        """Refuse to create an instance.

        Raises:
            TypeError: Always; the message names the factories.
        """
        name = type(self).__name__
        factories = " or ".join(
            f"{name}.{each}(…)" for each in sorted(dir(self)) if each.startswith("from_")
        )
        raise TypeError(f"{name}: expected a factory, got the constructor. Use {factories}.")

    @classmethod
    def _create(cls, **fields: Any) -> Self:  # noqa: ANN401 - the fields of any class
        created = object.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(created, name, value)
        return created
