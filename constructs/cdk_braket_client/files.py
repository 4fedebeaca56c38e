"""Files that are complete or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a new file beside another, which it replaces once it is complete.

    Raises:
        OSError: The folder cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        # A temporary file is its owner's only.
        partial.chmod(0o644)
        partial.replace(file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
