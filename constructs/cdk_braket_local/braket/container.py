"""A job's container, as a process: fetches, runs the script, keeps checkpoints, stores results.

The server starts this process and sends the plan on its standard input, which stays open. The line
`stop` ends the script. The end of the input means that the server has died, and kills everything at
once. The process reports to the server on standard output, one JSON object a line.

The steps and the folders are those of the job container on AWS. The folders are in the job's
workspace; the script sees them below /opt, if this machine allows it (`private_opt`).
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.hooks import BaseEventHooks

from cdk_braket_client.job_log import LOCAL_CONTAINER
from cdk_braket_local import processes
from cdk_braket_local.braket import archive, environments, images, stand_in
from cdk_braket_local.braket.environments import Environment
from cdk_braket_local.braket.log_stream import LogStream, lines_of
from cdk_braket_local.braket.objects import (
    ChangingFileError,
    Mirror,
    MissingObjectError,
    Objects,
    Place,
    UnfitNameError,
    pack,
    scratch_file,
)
from cdk_braket_local.braket.plan import LOG_GROUP, RESULTS_KEY, Plan
from cdk_braket_local.braket.script import RUNNING
from cdk_braket_local.braket.training_environment import PROGRAM, TrainingEnvironment

SYNC_SECONDS = 1.0
GRACE_SECONDS = 3.0
# After the last writer has closed the output, at most the content of one pipe is left to read.
_READ_SECONDS = 60.0

# The local AWS responds in milliseconds, under load in seconds. Botocore's timeout of a minute is
# too long, and slower calls are worth a line in the server's log.
_CLIENT = Config(
    s3={"addressing_style": "path"},
    retries={"total_max_attempts": 3},
    connect_timeout=5,
    read_timeout=20,
)
SLOW_SECONDS = 5.0

# The errors of AWS calls; boto3 has a separate error for a refused upload.
_CALL_ERRORS = (ClientError, BotoCoreError, Boto3Error, OSError, UnfitNameError, ChangingFileError)

# The length of a script's failure message that is read; GetJob shows less.
_LONGEST_FAILURE = 64 * 1024

_STOP = "stop"


# Lines of the log that do not come from the job.


class _SetUpError(Exception):
    """The script cannot be run; the message is the job's failure reason."""


def main() -> int:
    """Run one job; the last line of output is its outcome."""
    line = sys.stdin.readline()
    if not line:
        return 1  # the server is gone
    threading.excepthook = _report_error_type
    processes.adopt_orphans()
    processes.wake_at_end_of_parent()
    _report(outcome=_outcome(Plan.from_json(line)))
    return 0


def _outcome(plan: Plan) -> Mapping[str, object]:
    try:
        container = _Container(plan)
        threading.Thread(target=container.obey, args=(sys.stdin,), daemon=True).start()
        return container.run()
    except Exception as error:  # noqa: BLE001 - for any error, the job ends with a reason
        # Only the type of the error: its message and trace may contain parts of the job.
        kind = type(error).__name__
        return {"failure": f"InternalServiceException: the job could not be run: {kind}"}


def _report_error_type(failed: threading.ExceptHookArgs) -> None:
    sys.stderr.write(f"a thread failed: {failed.exc_type.__name__}\n")


_reporting = threading.Lock()


def _report(**message: object) -> None:
    with _reporting:
        # On a separate line: a script may have written to the same output.
        sys.stdout.write(f"\n{json.dumps(message)}\n")
        sys.stdout.flush()


def report_slow_calls(events: BaseEventHooks) -> None:
    """Report each AWS call that takes longer than `SLOW_SECONDS`, with its retries."""

    def begin(context: dict[str, object], **_: object) -> None:
        context["began"] = time.monotonic()

    def end(event_name: str, context: Mapping[str, object], **_: object) -> None:
        began = context.get("began")
        seconds = time.monotonic() - began if isinstance(began, float) else 0.0
        if seconds > SLOW_SECONDS:
            service, operation = event_name.split(".")[1:3]
            _report(note=f"the call {operation} of {service} took {seconds:.0f} s")

    events.register("before-call", begin)
    events.register("after-call", end)
    events.register("after-call-error", end)


class _Container:
    # Whether the script was imported.
    _has_run = False

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._session = boto3.Session(
            aws_access_key_id=plan.credentials.access_key_id,
            aws_secret_access_key=plan.credentials.secret_access_key,
            aws_session_token=plan.credentials.session_token,
            region_name=plan.region,
        )
        report_slow_calls(self._session.events)
        endpoint = plan.endpoint_url
        self._objects = Objects(self._session.client("s3", endpoint_url=endpoint, config=_CLIENT))
        stream = f"{plan.job_name}/{plan.job_id}/algo-1-{int(time.time() * 1000)}"
        logs = self._session.client("logs", endpoint_url=endpoint, config=_CLIENT)
        self._log = LogStream(logs, LOG_GROUP, stream)
        self._stopped = threading.Event()
        self._environment: Environment

    # --- Commands of the server. ---

    def obey(self, orders: IO[str]) -> None:
        """Follow the server's commands; end everything when the server is gone."""
        for line in orders:
            if line.strip() == _STOP:
                self._stopped.set()
                self._end_script()
        processes.kill_descendants(os.getpid(), GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)

    def _end_script(self) -> None:
        # Not by process id, which may belong to another process by now: signal the processes that
        # this one started.
        processes.end_others(os.getpgrp(), GRACE_SECONDS)

    # --- The job. ---

    def run(self) -> Mapping[str, object]:
        """Run the job to its end and return the outcome."""
        try:
            return {"failure": self._run()}
        except _SetUpError as error:
            self._log.write(str(error))
            return {"failure": f"AlgorithmError: {error}, exit code: 1"}
        except (*_CALL_ERRORS, MissingObjectError) as error:
            self._log.write(str(error))
            return {"failure": f"ClientError: {error}"}
        finally:
            self._log.close()
            if self._log.problem:
                _report(note=f"its log could not be written: {self._log.problem}")

    def _run(self) -> str | None:
        _report(event="DOWNLOADING_DATA")
        self._create_folders()
        mirror = self._fetched_checkpoints()
        for name, uri in self._plan.channels.items():
            self._fetch_channel(name, uri)
        entry_point = self._fetched_script()
        self._environment = self._image_environment()
        self._note(self._environment.description)
        if not self._plan.has_local_path:
            self._note(
                f"checkpointConfig.localPath: {self._plan.local_path} is not available here. Use "
                "the path in AMZN_BRAKET_CHECKPOINT_DIR"
            )
        # From here to UPLOADING_RESULTS the job's maximum run time counts.
        _report(event="RUNNING")
        # The container's lines, as far as the integration tests of the Braket SDK look for them.
        training = TrainingEnvironment(self._plan)
        self._note(f"Training Env: {training.shown()}")
        self._note(f"Invoking script with the following command: {training.shown_command()}")
        self._note("Beginning Setup")
        self._note("Checking for Additional Requirements")
        python = self._python_with_requirements()
        self._note("Additional Requirements Check Finished")
        with _pushing(mirror):
            code = 0 if self._stopped.is_set() else self._run_script(python, entry_point)
        if self._has_run:
            self._note("Code Run Finished")
        self._note(f"Reporting training {'FAILURE' if code else 'SUCCESS'}")
        self._store(mirror, script_failed=code != 0)
        return None if code == 0 else self._failure(code)

    def _note(self, line: str) -> None:
        """Log a line that does not come from the script."""
        self._log.write(f"{LOCAL_CONTAINER} {line}")

    def _store(self, mirror: Mirror | None, *, script_failed: bool) -> None:
        """Store checkpoints and results, each even if the other cannot be stored.

        If the script failed, its failure stays the reason, even if a later step also fails.
        """
        problems: list[Exception] = []
        for store in ([mirror.push_all] if mirror else []) + [self._store_results]:
            try:
                store()
            except _CALL_ERRORS as error:
                problems.append(error)
        if problems and not script_failed:
            raise problems[0]
        for problem in problems:
            self._log.write(str(problem))

    def _create_folders(self) -> None:
        plan = self._plan
        for folder in (
            plan.code,
            plan.original,
            plan.inputs,
            plan.configuration,
            plan.results,
            plan.failure_file.parent / "data",
            plan.checkpoints,
            *(plan.workspace / name for name in ("home", "tmp")),
        ):
            folder.mkdir(parents=True)
        # As the container on AWS links them.
        plan.braket.symlink_to(plan.ml.name)
        for name, content in TrainingEnvironment(plan).files.items():
            (plan.configuration / name).write_text(json.dumps(content), "utf-8")

    def _fetched_checkpoints(self) -> Mirror | None:
        uri = self._plan.text("checkpointConfig", "s3Uri")
        if uri is None:
            return None
        # The slash excludes other keys with the same beginning.
        self._objects.download_tree(f"{uri.rstrip('/')}/", self._plan.checkpoints)
        return Mirror(self._objects, self._plan.checkpoints, Place.parse(uri))

    def _fetch_channel(self, name: str, uri: str) -> None:
        folder = self._plan.inputs / name
        folder.mkdir()
        if self._objects.download_tree(uri, folder) == 0:
            raise MissingObjectError(f"no object of input channel {name} was found at {uri}")

    def _fetched_script(self) -> str:
        uri = self._plan.text("algorithmSpecification", "scriptModeConfig", "s3Uri")
        entry_point = self._plan.text("algorithmSpecification", "scriptModeConfig", "entryPoint")
        if uri is None or entry_point is None:
            raise _SetUpError(
                "the local AWS runs scripts only: a container image without a script cannot be run "
                "here"
            )
        script = self._objects.download_object(uri, self._plan.original)
        compression = self._plan.text(
            "algorithmSpecification", "scriptModeConfig", "compressionType"
        )
        if compression == "GZIP":
            try:
                archive.unpack(script, self._plan.code)
            except archive.ArchiveError as error:
                raise _SetUpError(str(error)) from error
        else:
            shutil.copy(script, self._plan.code)
        return entry_point

    def _image_environment(self) -> Environment:
        """Return the environment of the job's image."""
        uri = self._plan.text("algorithmSpecification", "containerImage", "uri")
        image = images.image_of(uri)
        problems = list(stand_in.problems(self._plan.request))
        for problem in problems:
            self._note(f"stand-in: {problem}")
        code, folder = self._plan.code, self._plan.environments
        shared = environments.shared(image or images.BASE, folder)
        if image is None or problems:
            return shared
        missing = environments.missing_modules(image, code, shared)
        if not missing or self._stopped.is_set():
            return shared
        cache = environments.cache_folder(self._plan.uv_variables)
        # So that uv ends with the job.
        variables = {**self._plan.uv_variables, **processes.mark(self._plan.workspace)}
        try:
            return environments.built(
                image,
                cache,
                variables,
                self._note,
                self._stopped.is_set,
                needs_our_python=environments.has_pickle(code),
            )
        except environments.NotBuiltError as error:
            raise _SetUpError(f"the script imports {', '.join(missing)}, and {error}") from error

    def _python_with_requirements(self) -> str:
        """Return the interpreter: that of the image, or of an environment with requirements."""
        found = sorted(self._plan.code.rglob("requirements.txt"))
        if not found:
            return str(self._environment.python)
        folder = self._plan.workspace / "environment"
        own = Environment(folder, "", self._environment.version)
        try:
            if own.has_our_python:
                venv.create(folder, with_pip=True, symlinks=True)
            else:
                command = [str(self._environment.python), "-I", "-m", "venv", str(folder)]
                subprocess.run(command, capture_output=True, check=True)
            line = f"import site; site.addsitedir({str(self._environment.site_packages)!r})"
            # After its own packages.
            (own.site_packages / "image.pth").write_text(f"{line}\n", "utf-8")
        except (subprocess.SubprocessError, OSError) as error:
            kind = type(error).__name__
            raise _SetUpError(f"no environment for its requirements: {kind}") from error
        self._environment = own
        settings = environments.pip_variables(self._plan.uv_variables)
        for requirements in found:
            # The container also ignores the exit code: the script then fails at its import.
            command = [str(own.python), "-m", "pip", "install", "-r", str(requirements)]
            self._logged(self._in_opt(self._plan.code, command), settings)
        return str(own.python)

    def _run_script(self, python: str, entry_point: str) -> int:
        script = Path(__file__).with_name("script.py")
        code, failure = str(self._plan.code), str(self._plan.failure_file)
        arguments = TrainingEnvironment(self._plan).arguments
        command = [python, "-P", "-u", str(script), code, entry_point, failure, PROGRAM, *arguments]
        command = self._in_opt(self._plan.container_code, command)
        # Immediately: reading the output and sending the log do not count as the script's time.
        return self._logged(command, ended=lambda: _report(event="UPLOADING_RESULTS"))

    def _in_opt(self, folder: Path, command: Sequence[str]) -> list[str]:
        """Return a command that runs another in a folder, with the job's own /opt."""
        launcher = str(Path(__file__).with_name("private_opt.py"))
        return [sys.executable, "-I", "-S", launcher, str(self._plan.opt), str(folder), *command]

    def _logged(
        self,
        command: Sequence[str],
        settings: Mapping[str, str] = MappingProxyType({}),
        ended: Callable[[], None] = lambda: None,
    ) -> int:
        """Run a command of the job's to its end; its output is the job's log.

        Args:
            command: The command.
            settings: Environment variables that it needs besides those of the script.
            ended: Called as soon as it has ended.
        """
        process = subprocess.Popen(
            command,
            cwd=self._plan.code,
            env={**self._script_environment(), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read_output, args=(process,), daemon=True)
        reader.start()
        code = process.wait()
        ended()
        # Processes that it left running would hold the pipe open, and the job with it.
        processes.kill_descendants(os.getpid(), GRACE_SECONDS)
        reader.join(_READ_SECONDS)
        if process.stdin:
            process.stdin.close()
        return code

    def _read_output(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        with process.stdout:
            for lines in lines_of(process.stdout.fileno()):
                self._log.write_lines(lines)
                self._has_run = self._has_run or any(line.endswith(RUNNING) for line in lines)

    def _script_environment(self) -> dict[str, str]:
        plan = self._plan
        results = plan.text("outputDataConfig", "s3Path") or ""
        place = Place.parse(results)
        script = ("algorithmSpecification", "scriptModeConfig")
        variables = {
            "SCRIPT_S3_URI": plan.text(*script, "s3Uri"),
            "SCRIPT_ENTRY_POINT": plan.text(*script, "entryPoint"),
            "SCRIPT_COMPRESSION_TYPE": plan.text(*script, "compressionType"),
            "JOB_NAME": plan.job_name,
            "JOB_TOKEN": plan.job_id,
            "DEVICE_ARN": plan.text("deviceConfig", "device"),
            "JOB_RESULTS_DIR": str(plan.braket / plan.results.relative_to(plan.ml)),
            "CHECKPOINT_DIR": str(plan.checkpoint_directory),
            "OUT_S3_BUCKET": place.bucket,
            "TASK_RESULTS_S3_URI": f"s3://{place.bucket}/jobs/{plan.job_name}/tasks",
            "JOB_RESULTS_S3_PATH": place.key,
            "HP_FILE": str(plan.braket / plan.hyperparameter_file.relative_to(plan.ml)),
            "INPUT_DIR": str(plan.braket / plan.inputs.relative_to(plan.ml)),
        }
        named = {f"AMZN_BRAKET_{name}": value for name, value in variables.items() if value}
        return (
            dict(TrainingEnvironment(plan).variables)
            | named
            | processes.mark(plan.workspace)
            | {
                "PATH": f"{self._environment.python.parent}:{os.defpath}",
                "HOME": str(plan.workspace / "home"),
                "TMPDIR": str(plan.workspace / "tmp"),
                "LANG": "C.UTF-8",
                "AWS_ENDPOINT_URL": plan.endpoint_url,
                "AWS_REGION": plan.region,
                "AWS_DEFAULT_REGION": plan.region,
                "AWS_ACCESS_KEY_ID": plan.credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": plan.credentials.secret_access_key,
                "AWS_SESSION_TOKEN": plan.credentials.session_token,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )

    def _store_results(self) -> None:
        if not any(self._plan.results.iterdir()):
            return
        place = Place.parse(self._plan.text("outputDataConfig", "s3Path") or "")
        with scratch_file(self._plan.workspace) as packed:
            pack(self._plan.results, packed)
            self._objects.upload(packed, place.below(RESULTS_KEY))

    def _failure(self, code: int) -> str:
        reason = _failure_message(self._plan.failure_file)
        return f"AlgorithmError: {reason}, exit code: {code if code > 0 else 128 - code}"


def _failure_message(path: Path) -> str:
    """Return the content of a file of the script's, which may be anything or missing."""
    try:
        # Pipes are not waited for, and links not followed.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_LONGEST_FAILURE).decode("utf-8", "replace")


@contextlib.contextmanager
def _pushing(mirror: Mirror | None) -> Iterator[None]:
    """Upload checkpoints while the script runs."""
    if mirror is None:
        yield
        return
    over = threading.Event()

    def push_until_end() -> None:
        while not over.wait(SYNC_SECONDS):
            # A failed upload is tried again, the last time after the script has ended.
            with contextlib.suppress(*_CALL_ERRORS):
                mirror.push()

    thread = threading.Thread(target=push_until_end, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
