"""The process of a local AWS: `python -m cdk_braket_local.server --state-directory DIR`.

The process prints one line on standard output: an error message, or `ready` followed by JSON with
the connection details for its parent. These contain the root user's key, and so are in no file.
"""

import argparse
import asyncio
import contextlib
import errno
import http.client
import json
import os
import re
import secrets
import signal
import socket
import string
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config

from cdk_braket_local import processes
from cdk_braket_local.braket.platform import Platform
from cdk_braket_local.files import FolderError, OwnedFolder
from cdk_braket_local.ministack_adapter import names
from cdk_braket_local.ministack_adapter.environment import (
    FOLDERS,
    IAM_DELAY,
    Identity,
    iam_delay,
    server_environment,
)
from cdk_braket_local.request_guard import guarded
from cdk_braket_local.settings import SettingError, Settings

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication
    from cdk_braket_local.ministack_adapter.braket_handler import Service

    CreateBraket = Callable[[Platform, Path], Service]

HOST = "127.0.0.1"
READY = "ready"
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Folders that only a running server needs: of jobs, of functions and its own.
_PASSING = ("braket", "tmp")
_HEALTH_PATH = "/_ministack/health"
# The time for jobs and functions to end on SIGTERM, and the time limit for stopping in total.
_GRACE_SECONDS = 1.0
_STOP_SECONDS = 15.0


class ServerError(Exception):
    """The server cannot start; the message is one line for the user."""


def main(
    arguments: Sequence[str] | None = None, create_braket: "CreateBraket | None" = None
) -> int:
    """Run a local AWS until a signal, or the end of its parent, stops it.

    Args:
        arguments: The command line. Default: that of the process.
        create_braket: Creates the Braket service from the platform and a separate directory.
    """
    options = _parser().parse_args(arguments)
    if options.exit_with_parent:
        _stop_at_end_of_input()
    _lead_a_process_group()
    processes.adopt_orphans()
    try:
        _run(options, create_braket or _create_braket)
    except (ServerError, names.IncompatibleError) as error:
        _report(str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cdk_braket_local.server")
    parser.add_argument("--state-directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--account", type=_account, default=DEFAULT_ACCOUNT)
    parser.add_argument("--region", default=DEFAULT_REGION)
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when the standard input ends"
    )
    return parser


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not twelve digits")
    return text


def _run(options: argparse.Namespace, create_braket: "CreateBraket") -> None:
    try:
        iam_delay(os.environ.get(IAM_DELAY, ""))
        Settings.read(os.environ)
    except (ValueError, SettingError) as error:
        raise ServerError(str(error)) from error
    # For functions and jobs as well.
    os.umask(0o077)
    folder = _own_folder(options.state_directory)
    listener = _listen(options.port)
    port: int = listener.getsockname()[1]
    identity = Identity(
        account=options.account,
        region=options.region,
        access_key_id=_new_access_key_id(),
        secret_access_key=secrets.token_hex(20),
    )
    _enter_environment(server_environment(os.environ, identity, port, folder.path))
    application = _application(f"http://{HOST}:{port}", folder.path, create_braket)
    try:
        asyncio.run(_serve(application, listener, identity))
    finally:
        processes.end_others(os.getpgrp(), _GRACE_SECONDS)
        _remove_passing_files(folder)


def _new_access_key_id() -> str:
    """Return a random key: it is a secret, as the emulator does not check the root's signatures."""
    letters = string.ascii_uppercase + string.digits
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16))


def _own_folder(path: Path) -> OwnedFolder:
    """Create the state directory, or claim an empty one or one of an earlier local AWS.

    It is locked while this process lives, because two would mix up their files. The lock also
    protects it from a clean-up of the files of dead processes.
    """
    try:
        folder = OwnedFolder.claim(path)
        if not folder.lock():
            raise ServerError(f"another local AWS has {folder.path} for its state")
        # Files of a process that was killed.
        processes.kill_marked(folder.path, _GRACE_SECONDS)
        folder.remove(_PASSING)
        folder.create_folders(FOLDERS)
    except FolderError as error:
        raise ServerError(str(error)) from error
    except OSError as error:
        raise ServerError(f"{path} cannot be the state directory: {error.strerror}") from error
    return folder


def _remove_passing_files(folder: OwnedFolder) -> None:
    try:
        folder.remove(_PASSING)
    except FolderError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the server's log


def _listen(port: int) -> socket.socket:
    """Bind the port now, so that no other process can use it after it is reported."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Another process could still share a port before it listens.
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(f"port {port} of {HOST} is in use") from error
        raise ServerError(f"port {port} of {HOST} cannot be had: {error.strerror}") from error
    return listener


def _application(
    endpoint_url: str, directory: Path, create_braket: "CreateBraket"
) -> "LocalAwsApplication":
    # MiniStack reads its environment when it is imported.
    names.check()
    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication  # noqa: PLC0415
    from cdk_braket_local.ministack_adapter.platform import MinistackPlatform  # noqa: PLC0415

    braket = create_braket(MinistackPlatform(endpoint_url), directory / "braket")
    return LocalAwsApplication(braket)


def _create_braket(platform: Platform, directory: Path) -> "Service":
    # Not at the top: the tests of this process make another.
    from cdk_braket_local.braket.service import BraketService  # noqa: PLC0415

    settings = Settings.read(os.environ)
    return BraketService(platform, state_directory=directory, settings=settings)


def _enter_environment(environment: dict[str, str]) -> None:
    """Replace this process's environment; MiniStack reads it, functions and jobs inherit it."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None


async def _serve(
    application: "LocalAwsApplication", listener: socket.socket, identity: Identity
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)

    async def stopped() -> None:
        await stop.wait()
        _die_late()
        await asyncio.to_thread(application.close)

    announcement = asyncio.create_task(
        asyncio.to_thread(_announce, listener.getsockname()[1], identity)
    )
    guarded_application = cast("ASGIFramework", guarded(application.asgi, identity.access_key_id))
    # hypercorn closes the copy of the socket that it receives.
    configuration = _configuration(os.dup(listener.fileno()))
    await serve(guarded_application, configuration, shutdown_trigger=stopped)
    await announcement


def _configuration(descriptor: int) -> Config:
    configuration = Config()
    configuration.bind = [f"fd://{descriptor}"]
    configuration.keep_alive_timeout = 75
    configuration.graceful_timeout = 0.2
    configuration.loglevel = "WARNING"
    return configuration


def _announce(port: int, identity: Identity) -> None:
    """Report that the server responds, as soon as it does."""
    while not _is_healthy(port):
        time.sleep(0.01)
    facts = {"endpoint_url": f"http://{HOST}:{port}", **asdict(identity)}
    _report(f"{READY} {json.dumps(facts)}")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    with contextlib.suppress(OSError), contextlib.closing(connection):
        connection.request("GET", _HEALTH_PATH)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def _report(line: str) -> None:
    """Print the one line, then close the pipe: its reader must not wait for this process."""
    print(line, flush=True)  # noqa: T201 - the protocol with our parent
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _stop_at_end_of_input() -> None:
    """Stop when the parent is gone: the system then closes the parent's end of the pipe."""
    pipe = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _lead_a_process_group() -> None:
    """Start a process group, which all child processes join, so that none is missed at the end."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def _die_late() -> None:
    """Kill this process after a timeout."""

    def kill() -> None:
        os.killpg(os.getpgrp(), signal.SIGKILL)

    timer = threading.Timer(_STOP_SECONDS, kill)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    code = main()
    # Threads of the emulator may still wait for functions that are gone.
    sys.stdout.flush()
    os._exit(code)
