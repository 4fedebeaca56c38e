"""The innermost process of a job: runs the user's entry point as the job container does.

Source of the steps and their order: `src/braket_container.py` of
https://github.com/amazon-braket/amazon-braket-containers. Standard library only: it may run in the
job's own environment.
"""

import contextlib
import importlib
import inspect
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

RUNNING = b"[cdk-braket-local] Running Code As Process"
"""The line of the log before the script runs."""


def main(code: str, entry_point: str, failure_file: str, program: str) -> int:
    """Run the entry point; the exit code is 1 if it raised.

    Args:
        code: The folder of the script.
        entry_point: `module:function`, or a module.
        failure_file: The file for the reason of a failure.
        program: The name of the program on AWS. The other arguments of this process are its own.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = [program, *sys.argv[5:]]
    # The container appends: a standard module of the same name wins there, too.
    sys.path.append(code)
    try:
        # The container imports the module of a function in its own folder.
        function = _function(entry_point)
        with contextlib.suppress(OSError):
            # Whatever the script has done to `sys.stdout`.
            os.write(1, RUNNING + b"\n")
        arguments = _bound_hyperparameters(function)
        os.chdir(code)
        function(**arguments)
    except Exception as error:
        name, text = type(error).__name__, str(error)
        # A text may hold what UTF-8 has not, such as a file name's undecodable bytes.
        reason = (f"{name}: {text}" if text else name).encode("utf-8", "backslashreplace")
        Path(failure_file).write_bytes(reason)
        raise
    return 0


def _function(entry_point: str) -> Callable[..., object]:
    module, colon, name = entry_point.partition(":")
    if not colon:
        return lambda: runpy.run_module(module, run_name="__main__")
    function: Callable[..., object] = getattr(importlib.import_module(module), name)
    return function


def _bound_hyperparameters(function: Callable[..., object]) -> dict[str, object]:
    """Bind all hyperparameters by name and cast them by annotation, or bind none."""
    path = os.environ["AMZN_BRAKET_HP_FILE"]
    hyperparameters: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        inspect.signature(function).bind(**hyperparameters)
    except TypeError:
        return {}
    annotations = inspect.getfullargspec(function).annotations
    return {name: annotations.get(name, str)(text) for name, text in hyperparameters.items()}


def _end_with_parent() -> None:
    """End the whole process group when the container's end of our standard input closes."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
