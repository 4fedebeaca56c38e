"""Starts a local AWS in another process and stops it again."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypedDict

from cdk_braket_local import processes
from cdk_braket_local.files import FolderError, OwnedFolder
from cdk_braket_local.ministack_adapter.environment import inherited, without_proxy

LOG_FILE = "server.log"

_SERVER = ("-m", "cdk_braket_local.server")
_START_SECONDS = 300.0
_STOP_SECONDS = 20.0
_KILL_SECONDS = 5.0


class LocalAwsError(Exception):
    """The local AWS could not be started; the message is one line."""


class ClientSettings(TypedDict):
    """Keyword arguments of `boto3.client`."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class LocalAws:
    """A running local AWS: MiniStack with an Amazon Braket service that runs hybrid jobs.

    It ends with `stop`, at the end of its `with` block, or when this process ends, however it does.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        import boto3

        from cdk_braket_local.control.instance import LocalAws

        with tempfile.TemporaryDirectory() as directory:
            with LocalAws.start(Path(directory)) as aws:
                s3 = boto3.client("s3", **aws.client_settings)
                assert s3.list_buckets()["Buckets"] == []
        ```
    """

    def __init__(self, process: subprocess.Popen[bytes], state_directory: Path) -> None:
        self._process = process
        self.state_directory = state_directory
        self._facts: dict[str, str | int] = {}

    @classmethod
    def start(
        cls,
        state_directory: Path,
        *,
        port: int | None = None,
        region: str | None = None,
        account: str | None = None,
    ) -> Self:
        """Start a local AWS and wait until it answers, which takes about a second.

        Args:
            state_directory: Where it keeps all its files. The folder is created, if it does not
                exist, and is accessible to this user alone. An existing folder must be empty, or
                have been a state directory before. Two local AWSs cannot share one.
            port: The port of 127.0.0.1 that it answers on; by default a free one.
            region: Its default region; by default us-east-1.
            account: Its account, twelve digits; by default 000000000000.

        Raises:
            LocalAwsError: It did not start, for example because the port is in use, or because
                the state directory holds files that are not a local AWS's.
        """
        state_directory = state_directory.absolute()
        arguments = [f"--state-directory={state_directory}", f"--port={port or 0}"]
        if region:
            arguments.append(f"--region={region}")
        if account:
            arguments.append(f"--account={account}")
        with _new_log(state_directory) as log:
            process = subprocess.Popen(
                [sys.executable, *_SERVER, "--exit-with-parent", *arguments],
                env=inherited(os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C in a terminal is for the command that uses the local AWS, not for it.
                start_new_session=True,
            )
        instance = cls(process, state_directory)
        try:
            instance._wait_until_ready()
        except BaseException:
            instance.stop()
            raise
        return instance

    @property
    def endpoint_url(self) -> str:
        """Where it answers, such as http://127.0.0.1:41235."""
        return str(self._facts["endpoint_url"])

    @property
    def account(self) -> str:
        """Its account."""
        return str(self._facts["account"])

    @property
    def region(self) -> str:
        """Its default region."""
        return str(self._facts["region"])

    @property
    def process_group(self) -> int:
        """The process group of everything that it runs but jobs, which have their own."""
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a command talks to it alone.

        Other variables whose names start with `AWS_` must not be set: a profile, above all, would
        lead to a real account.
        """
        no_proxy = without_proxy(os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")))
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": str(self._facts["access_key_id"]),
            "AWS_SECRET_ACCESS_KEY": str(self._facts["secret_access_key"]),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The CDK CLI remembers there which key belongs to which account.
            "CDK_HOME": str(self.state_directory.absolute() / "cdk"),
            "CDK_DEFAULT_ACCOUNT": self.account,
            "CDK_DEFAULT_REGION": self.region,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }

    @property
    def client_settings(self) -> ClientSettings:
        """Keyword arguments with which `boto3.client` and `boto3.Session.client` talk to it."""
        return ClientSettings(
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=str(self._facts["access_key_id"]),
            aws_secret_access_key=str(self._facts["secret_access_key"]),
        )

    def is_running(self) -> bool:
        """Whether its process still runs."""
        return self._process.returncode is None and not self._has_ended()

    def wait(self) -> None:
        """Wait until its process has ended, by itself or by somebody else's doing."""
        # As in `_has_ended`, it stays waitable.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def stop(self) -> None:
        """Stop it, with every job and function that it runs. Stopping twice is fine."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                _close(pipe)
        if self._process.returncode is None:
            self._end()
        if self._facts:
            _end_jobs(self.state_directory)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        # As long as the process is not waited for, no other can take the number of its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        word, _, facts = self._first_line().partition(" ")
        if word != "ready":
            line = f"{word} {facts}".strip()
            raise LocalAwsError(
                line or f"the local AWS did not start; see {self.state_directory / LOG_FILE}"
            )
        self._facts = json.loads(facts)

    def _first_line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - we asked for a pipe
        readable, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        if not readable:
            raise LocalAwsError(f"the local AWS did not answer within {_START_SECONDS:.0f} s")
        return self._process.stdout.readline().decode(errors="replace").strip()

    def _has_ended(self) -> bool:
        # Unlike `poll`, this leaves the process waitable, and its group's number taken.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None


def _new_log(state_directory: Path) -> IO[bytes]:
    """Claim the state directory and create the server's log in it."""
    try:
        with OwnedFolder.claim(state_directory) as folder:
            if not folder.lock():
                raise LocalAwsError(f"another local AWS has {folder.path} for its state")
            return folder.create(LOG_FILE)
    except FolderError as error:
        raise LocalAwsError(str(error)) from error
    except OSError as error:
        raise LocalAwsError(
            f"{state_directory} cannot be the state directory: {error.strerror}"
        ) from error


def _end_jobs(state_directory: Path) -> None:
    """End processes that jobs of a killed server have left, unless a new server is there."""
    folder = OwnedFolder.find(state_directory)
    if folder is None:
        return
    with folder:
        if folder.lock():
            processes.kill_marked(state_directory, _KILL_SECONDS)


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        pipe.close()
