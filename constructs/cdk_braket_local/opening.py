"""Opens a local AWS for the command line: every reason why it cannot is one line for the user."""

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_local import foreground

if TYPE_CHECKING:
    from cdk_braket_local.instance import LocalAws

_NEEDED = ("ministack", "hypercorn", "braket")


class NotOpenedError(Exception):
    """A local AWS could not be started; the message is one line for the user."""


@contextlib.contextmanager
def local_aws(state_directory: Path, port: int | None) -> Iterator["LocalAws"]:
    """Have a local AWS for the length of a `with` block.

    Args:
        state_directory: Where it keeps its state.
        port: The port it listens on, on 127.0.0.1; by default a free one.

    Yields:
        The local AWS, answering.

    Raises:
        NotOpenedError: It could not be started.
    """
    if not all(importlib.util.find_spec(name) for name in _NEEDED):
        raise NotOpenedError('the local AWS is not installed; run: pip install "cdk-braket[local]"')
    # Only now: without the extra, `--help` and this message must still work.
    from cdk_braket_local.instance import LocalAws, LocalAwsError  # noqa: PLC0415

    try:
        aws = LocalAws.start(state_directory, port=port)
    except LocalAwsError as error:
        raise NotOpenedError(str(error)) from error
    try:
        yield aws
    finally:
        with foreground.undisturbed():
            aws.stop()


@contextlib.contextmanager
def fresh_local_aws(
    port: int | None = None, within: Path | None = None
) -> Iterator[tuple["LocalAws", Path]]:
    """Have a local AWS whose state is thrown away with it.

    Args:
        port: The port it listens on, on 127.0.0.1; by default a free one.
        within: The directory for its temporary one; by default the system's.

    Yields:
        The local AWS, and its temporary directory, with room for more files.

    Raises:
        NotOpenedError: It could not be started. If the message names a log, the log is there.
    """
    directory = Path(tempfile.mkdtemp(prefix="cdk-braket-local-", dir=within))
    keep = False
    try:
        with local_aws(directory / "aws", port) as aws:
            yield aws, directory
    except NotOpenedError as error:
        keep = str(directory) in str(error)
        raise
    finally:
        if not keep:
            with foreground.undisturbed():
                shutil.rmtree(directory, ignore_errors=True)
