"""The process of a local AWS: `python -m cdk_braket_local.server --state-directory DIR`.

Its one line of output, on the standard output, is what went wrong, or else `ready` and, as JSON,
what its parent needs to reach it. That holds its root user's key, and so is in no file.
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

    MakeBraket = Callable[[Platform, Path], Service]

HOST = "127.0.0.1"
READY = "ready"
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What only a running server needs: jobs' folders, functions' and its own.
_PASSING = ("braket", "tmp")
_HEALTH_PATH = "/_ministack/health"
# What jobs and functions get to end on SIGTERM, and how long stopping may take in all.
_GRACE_SECONDS = 1.0
_STOP_SECONDS = 15.0


class ServerError(Exception):
    """The server cannot start; the message is one line for the user."""


def main(arguments: Sequence[str] | None = None, make_braket: "MakeBraket | None" = None) -> int:
    """Run a local AWS until a signal, or the end of its parent, stops it.

    Args:
        arguments: The command line; by default the one that the process was called with.
        make_braket: Makes the Braket service, given the platform and a directory of its own.
    """
    options = _parser().parse_args(arguments)
    if options.exit_with_parent:
        _stop_at_end_of_input()
    _lead_a_process_group()
    processes.adopt_orphans()
    try:
        _run(options, make_braket or _make_braket)
    except (ServerError, names.IncompatibleError) as error:
        _say(str(error))
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


def _run(options: argparse.Namespace, make_braket: "MakeBraket") -> None:
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
    application = _application(f"http://{HOST}:{port}", folder.path, make_braket)
    try:
        asyncio.run(_serve(application, listener, identity))
    finally:
        processes.end_others(os.getpgrp(), _GRACE_SECONDS)
        _remove_passing_files(folder)


def _new_access_key_id() -> str:
    """A key that nobody else can know: the emulator does not check the root user's signatures."""
    letters = string.ascii_uppercase + string.digits
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16))


def _own_folder(path: Path) -> OwnedFolder:
    """Create the state directory, or take over an empty one or one of a local AWS before us.

    It is locked for as long as we live: two would mix their files up, and whoever sweeps what dead
    ones left sees by the lock that we are alive.
    """
    try:
        folder = OwnedFolder.claim(path)
        if not folder.lock():
            raise ServerError(f"another local AWS has {folder.path} for its state")
        # Of one that was killed here.
        processes.kill_marked(folder.path, _GRACE_SECONDS)
        folder.remove(_PASSING)
        folder.make_folders(FOLDERS)
    except FolderError as error:
        raise ServerError(str(error)) from error
    except OSError as error:
        raise ServerError(f"{path} cannot be the state directory: {error.strerror}") from error
    return folder


def _remove_passing_files(folder: OwnedFolder) -> None:
    try:
        folder.remove(_PASSING)
    except FolderError as error:
        print(error, file=sys.stderr)  # noqa: T201 - our log


def _listen(port: int) -> socket.socket:
    """Take the port now, so that nobody else can have it when we report it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Another process could still share a port that nobody listens on.
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(f"port {port} of {HOST} is in use") from error
        raise ServerError(f"port {port} of {HOST} cannot be had: {error.strerror}") from error
    return listener


def _application(
    endpoint_url: str, directory: Path, make_braket: "MakeBraket"
) -> "LocalAwsApplication":
    # MiniStack reads its environment when it is imported.
    names.check()
    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication  # noqa: PLC0415
    from cdk_braket_local.ministack_adapter.platform import MinistackPlatform  # noqa: PLC0415

    braket = make_braket(MinistackPlatform(endpoint_url), directory / "braket")
    return LocalAwsApplication(braket)


def _make_braket(platform: Platform, directory: Path) -> "Service":
    # Not at the top: the tests of this process make another.
    from cdk_braket_local.braket.service import BraketService  # noqa: PLC0415

    settings = Settings.read(os.environ)
    return BraketService(platform, state_directory=directory, settings=settings)


def _enter_environment(environment: dict[str, str]) -> None:
    """Make an environment our own; MiniStack reads it, and functions and jobs inherit it."""
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
    # hypercorn closes the copy of the socket that it is given.
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
    """Tell that we answer, once we do."""
    while not _is_healthy(port):
        time.sleep(0.01)
    facts = {"endpoint_url": f"http://{HOST}:{port}", **asdict(identity)}
    _say(f"{READY} {json.dumps(facts)}")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    with contextlib.suppress(OSError), contextlib.closing(connection):
        connection.request("GET", _HEALTH_PATH)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def _say(line: str) -> None:
    """Say the one line, then leave the pipe: its reader must not wait for us."""
    print(line, flush=True)  # noqa: T201 - the protocol with our parent
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _stop_at_end_of_input() -> None:
    """Stop as soon as our parent is gone: the system then closes the pipe that it holds."""
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
    """What we start joins our process group, so that none of it is missed at the end."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def _die_late() -> None:
    """However stopping goes wrong, it comes to an end."""

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
