"""Files that are complete or not there."""

import contextlib
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
    with tempfile.NamedTemporaryFile(
        dir=file.parent, prefix=f".{file.name}.", delete=False
    ) as opened:
        partial = Path(opened.name)
    try:
        yield partial
        # A temporary file is its owner's only.
        partial.chmod(0o644)
        partial.replace(file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
