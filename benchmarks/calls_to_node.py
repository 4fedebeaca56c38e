"""Counts the calls to Node, where the objects of the CDK are."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from jsii._kernel.providers import process


@contextmanager
def counted() -> Iterator[list[str]]:
    """Yield the calls of the block: kind, class, method or property."""
    calls: list[str] = []
    send = process._NodeProcess.send

    def counting(self: object, request: object, response_type: type) -> object:
        parts = [getattr(request, name, None) for name in ("fqn", "method", "property")]
        calls.append(" ".join([type(request).__name__, *(str(part) for part in parts if part)]))
        return send(self, request, response_type)  # type: ignore[arg-type]  # its own arguments

    with patch.object(process._NodeProcess, "send", counting):
        yield calls
