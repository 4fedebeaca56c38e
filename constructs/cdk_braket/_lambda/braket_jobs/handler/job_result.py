"""The result in the archive of a job.

The archive is the script's, so it is not trusted: one member is read, up to a limit, and nothing is
unpacked.
"""

import json
import tarfile
import zlib
from collections.abc import Mapping
from typing import Final, Protocol

_RESULT: Final = "results.json"
_LARGEST_ARCHIVE: Final = 64 * 1024**2
"""How much of a job's archive is searched for its result."""

_LARGEST_RESULT: Final = 4 * 1024**2


class Readable(Protocol):
    def read(self, amt: int | None = None) -> bytes:
        """Return the next bytes."""


def result_in(body: "Readable") -> Mapping[str, object]:
    """Return the result in a job's archive; an empty one if there is none."""
    try:
        with tarfile.open(fileobj=_Limited(body), mode="r|gz") as archive:  # type: ignore[call-overload]  # it has the methods of a file
            for member in archive:
                if member.isfile() and member.name.rpartition("/")[2] == _RESULT:
                    found = archive.extractfile(member)
                    value = json.loads(found.read(_LARGEST_RESULT)) if found else None
                    return value if isinstance(value, dict) else {}
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, zlib.error):
        pass  # not an archive of the SDK: there are no metrics
    return {}


class _Limited:
    """The start of a file; the rest is not read."""

    def __init__(self, body: "Readable") -> None:
        self._body = body
        self._left = _LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._body.read(min(size, self._left))
        self._left -= len(data)
        return data
