"""For any output of a job: its memory is limited, and writing it is not the script's time."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdk_braket_local import processes
from cdk_braket_local.braket import container, log_stream, runner
from cdk_braket_local.braket.job import Job
from cdk_braket_local.braket.log_stream import LogStream, lines_of
from cdk_braket_local.braket.platform import Caller
from cdk_braket_local.control.instance import LocalAws
from tests import length
from tests.emulator.jobs import Jobs, Json

# In KiB. What a container needs before its script prints anything is about 54 MiB.
MOST_MEMORY = 64 * 1024
# It prints, with its last line, the most memory that its container, which is its parent, needed.
PEAK = (
    "    import time\n"
    "    sys.stdout.flush()\n"
    "    time.sleep(2)\n"
    "    status = open(f'/proc/{os.getppid()}/status').read()\n"
    "    print('\\npeak', status.split('VmHWM:')[1].split()[0], flush=True)\n"
)
START = "import os, subprocess, sys\ndef main():\n    out = sys.stdout.buffer\n"
PRINTERS = {
    "no line break": "    for _ in range(300): out.write(b'x' * 2**20)\n",
    "both streams": (
        "    for _ in range(100):\n"
        "        out.write(b'o' * 2**20); sys.stderr.buffer.write(b'e' * 2**20)\n"
    ),
    "nothing": "    pass\n",
    "many lines": "    for n in range(2_000_000): out.write(b'line %d\\n' % n)\n",
    "empty lines": "    out.write(b'\\n' * 2_000_000)\n",
    "binary": "    for _ in range(100): out.write(os.urandom(2**20))\n",
    "long lines": "    for _ in range(100): out.write(b'\\xc3\\xa9' * 2**20 + b'\\n')\n",
    "a process": (
        "    subprocess.run([sys.executable, '-c', \"print('p' * 300 * 2**20)\"], check=True)\n"
    ),
}


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


def _peak(jobs: Jobs, printer: str) -> int:
    """The most memory that a job's container needed, in KiB."""
    job = jobs.over(jobs.start(START + PRINTERS[printer] + PEAK), seconds=600)
    assert job["status"] == "COMPLETED", job.get("failureReason")
    [line] = [line for line in _newest(jobs, job) if line.startswith("peak ")]
    return int(line.split()[1])


def _newest(jobs: Jobs, job: Json) -> list[str]:
    [stream] = jobs.logs.describe_log_streams(
        logGroupName="/aws/braket/jobs", logStreamNamePrefix=f"{job['jobName']}/"
    )["logStreams"]
    events = jobs.logs.get_log_events(
        logGroupName="/aws/braket/jobs",
        logStreamName=stream["logStreamName"],
        startFromHead=False,
        limit=10,
    )["events"]
    return [event["message"] for event in events]


@pytest.mark.parametrize("printer", length.first(2, PRINTERS))
def test_a_job_needs_little_memory_for_any_output(jobs: Jobs, printer: str) -> None:
    assert _peak(jobs, printer) < MOST_MEMORY


# The test above measures the memory of the process that sends the log.
@pytest.mark.long
def test_the_local_aws_needs_little_memory_for_a_log(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "aws") as aws:
        jobs = Jobs(aws)
        process = aws._process.pid
        before = _memory(process)
        jobs.over(jobs.start(START + PRINTERS["many lines"]), seconds=600)
        assert _memory(process) - before < 64 * 1024


def _memory(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0])


class _Client:
    """CloudWatch Logs, which blocks each call until a test continues it."""

    class exceptions:  # noqa: N801 - as boto3 has it
        class ResourceAlreadyExistsException(Exception):  # noqa: N818
            """Never raised."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.calls: list[Sequence[Any]] = []
        self.goes_on = threading.Event()

    def create_log_group(self, **_: object) -> None:
        """It is there."""

    def create_log_stream(self, **_: object) -> None:
        """It is there."""

    def put_log_events(self, *, logEvents: Sequence[Any], **_: object) -> None:  # noqa: N803
        self.goes_on.wait()
        self.calls.append(logEvents)
        self.messages += [event["message"] for event in logEvents]


@pytest.fixture
def client() -> _Client:
    return _Client()


@pytest.fixture
def stream(client: _Client) -> LogStream:
    return LogStream(client, "group", "stream")  # type: ignore[arg-type]


def test_a_slow_log_does_not_block_the_script(client: _Client, stream: LogStream) -> None:
    for number in range(100_000):
        stream.write_lines([b"%d" % number])
    assert client.messages == [], "all of it was written before the first call was answered"
    client.goes_on.set()
    stream.close()
    first, last = log_stream.FIRST_LINES, log_stream.LAST_LINES
    numbers = [str(number) for number in range(100_000)]
    assert client.messages[:first] == numbers[:first]
    assert "the log is full" in client.messages[first]
    assert f"{100_000 - first - last} lines are omitted here" in client.messages[first + 1]
    assert client.messages[first + 2 :] == numbers[-last:]


def test_a_log_of_long_lines_has_its_first_and_its_last_bytes(
    client: _Client, stream: LogStream
) -> None:
    client.goes_on.set()
    for number in range(1_000):
        stream.write_lines([b"%d " % number + b"x" * 60_000])
    stream.close()
    sizes = sum(len(message) for message in client.messages)
    assert sizes <= log_stream.FIRST_BYTES + log_stream.LAST_BYTES + 1_000
    assert client.messages[0].startswith("0 ")
    assert client.messages[-1].startswith("999 ")
    assert max(sum(len(each["message"]) for each in call) for call in client.calls) <= 128 * 1024


def test_short_output_is_all_there(client: _Client, stream: LogStream) -> None:
    client.goes_on.set()
    stream.write("ours\nin two lines")
    stream.write_lines([b"", b"a\r", b"\xff"])
    stream.close()
    assert client.messages == ["ours", "in two lines", " ", "a", "\ufffd"]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", []),
        (b"a\nb", [b"a", b"b"]),
        (b"\n\n", [b"", b""]),
        (b"x" * 150_000, [b"x" * 65_536, b"x" * 65_536, b"x" * 18_928]),
        (b"x" * 65_535 + "é".encode() + b"\n", [b"x" * 65_535, "é".encode()]),
        (b"\x80" * 65_540, [b"\x80" * 65_533, b"\x80" * 7]),
    ],
)
def test_lines_are_split_where_they_are_too_long(written: bytes, lines: list[bytes]) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            pipe.write(written)

    thread = threading.Thread(target=write)
    thread.start()
    read = [line for some in lines_of(reading) for line in some]
    thread.join()
    os.close(reading)
    assert read == lines


def test_slow_output_is_read_as_it_arrives() -> None:
    command = [sys.executable, "-uc", "import time\nprint('first')\ntime.sleep(600)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        some = lines_of(process.stdout.fileno())
        # The text and its line break come in two pieces.
        assert next(lines for lines in some if lines) == [b"first"]
        process.kill()


def test_the_maximum_run_time_is_the_scripts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    request = {"jobName": "a", "stoppingCondition": {"maxRuntimeInSeconds": 3600}}
    run = runner._Run(Job.created(Caller("1" * 12, "us-east-1", "key"), request))
    ours = runner.Runner.__new__(runner.Runner)
    monkeypatch.setattr(ours, "_lock", threading.RLock(), raising=False)
    ours._on_message(run, {"event": "DOWNLOADING_DATA"})
    assert run.limit is None, "the download does not count"
    ours._on_message(run, {"event": "RUNNING"})
    assert run.limit is not None
    assert run.limit.is_alive()
    ours._on_message(run, {"event": "UPLOADING_RESULTS"})
    run.limit.join(60)
    assert not run.limit.is_alive(), "neither does the upload"


def test_the_end_of_a_script_is_reported_before_its_output_has_been_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the time to read and send it would count as the script's."""
    happened: list[str] = []

    class Log:
        def write_lines(self, lines: Sequence[bytes]) -> None:
            # Not before it is known that the script has ended.
            assert ended.wait(60)
            happened.extend(line.decode() for line in lines if line)

    def report(**message: object) -> None:
        happened.append(str(message["event"]))
        ended.set()

    ended = threading.Event()
    ours = container._Container.__new__(container._Container)
    monkeypatch.setattr(ours, "_plan", SimpleNamespace(code=tmp_path), raising=False)
    monkeypatch.setattr(ours, "_log", Log(), raising=False)
    monkeypatch.setattr(ours, "_script_environment", dict, raising=False)
    monkeypatch.setattr(container, "_report", report)
    monkeypatch.setattr(processes, "kill_descendants", lambda *_: None)
    command = [sys.executable, "-c", "print('printed')"]
    assert ours._logged(command, ended=lambda: container._report(event="UPLOADING_RESULTS")) == 0
    assert happened == ["UPLOADING_RESULTS", "printed"]
