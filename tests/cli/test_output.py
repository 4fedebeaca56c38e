"""Output and errors that depend on odd values: of scripts, of AWS, of files and of users."""

import io
import json
import math
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdk_braket_cli.output import Output, table
from cdk_braket_client.files import replacing
from cdk_braket_client.job_log import JobLog
from cdk_braket_client.results import unpack
from cdk_braket_client.sweeps import find_execution
from tests.cli.conftest import Cli
from tests.cli.stubs import REGION, StubbedClients, stubbed

TYPE = "Custom::BraketHybridJob"
ARN = f"arn:aws:braket:{REGION}:111122223333:job/0c8e2a6e-6a5b-4d0a-9a3e-000000000001"
JOB = {
    "jobArn": ARN,
    "jobName": "vqe",
    "status": "RUNNING",
    "roleArn": "arn:aws:iam::111122223333:role/job",
    "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
    "outputDataConfig": {"s3Path": "s3://bucket/jobs/vqe"},
    "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
    "algorithmSpecification": {},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    with stubbed(monkeypatch) as clients:
        yield clients


def no_constant(name: str) -> None:
    raise AssertionError(name)


@pytest.mark.parametrize("is_line", [False, True])
def test_json_is_valid_for_every_value(is_line: bool, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"energies": [1.5, math.nan, -math.inf], "odd": "\ud800\x9b31m é"}
    out = Output(as_json=True)
    if is_line:
        out.line(value, "")
    else:
        out.show(value, "")
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text, parse_constant=no_constant) == {
        "energies": [1.5, None, None],
        "odd": value["odd"],
    }


def test_values_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=False)
    out.show(None, "a :cat: [b]")
    out.note("wrote \x1b[2J:cat:")
    assert capsys.readouterr() == ("a :cat: [b]\n", "wrote [2J:cat:\n")
    out.show(None, table("a\x1b[2J", "[/b]"))
    assert capsys.readouterr().out.split() == ["a[2J", "[/b]"]


def test_a_file_in_no_folder_is_an_error_in_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "missing" / "energy.png"

    def write(*_arguments: object, **_values: object) -> None:
        with replacing(file):
            pass

    monkeypatch.setattr("cdk_braket_cli.commands.jobs.search", write)
    with stubbed(monkeypatch):
        done = cli("jobs")
    assert (done.code, done.out) == (1, "")
    assert done.err == f"cdk-braket: {file}: No such file or directory\n"


def test_explain_has_a_line_for_each_job(cli: Cli, aws: StubbedClients, tmp_path: Path) -> None:
    properties = {"stackName": "Chemistry", "templateFile": "t.json"}
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://111122223333/{REGION}",
        "properties": properties,
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Chemistry": artifact}}))
    resources = {name: {"Type": TYPE} for name in ("A", "B")}
    (tmp_path / "t.json").write_text(json.dumps({"Resources": resources}))
    missing = "Stack with id Chemistry does not exist"
    aws.refuse("cloudformation", "list_stack_resources", "ValidationError", missing)
    done = cli("explain", "Chemistry", f"--assembly={tmp_path}")
    assert done.code == 0
    assert done.out == "A: a new job starts\nB: a new job starts\n"


@pytest.mark.parametrize("answer", [True, False])
def test_a_job_is_cancelled_only_if_the_answer_is_yes(
    cli: Cli,
    aws: StubbedClients,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("click.confirm", lambda *_arguments, **_values: answer)
    aws.expect("braket", "get_job", JOB, jobArn=ARN)
    if answer:
        cancelled = {"jobArn": ARN, "cancellationStatus": "CANCELLING"}
        aws.expect("braket", "cancel_job", cancelled, jobArn=ARN)
    done = cli("cancel", ARN)
    assert done.code == (0 if answer else 1)
    assert ("nothing was cancelled" in done.err) == (not answer)


def test_a_list_that_is_cut_is_noted(cli: Cli, aws: StubbedClients) -> None:
    job = {
        "jobArn": ARN,
        "jobName": "vqe",
        "status": "COMPLETED",
        "device": "local:braket/default",
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
    }
    for limit, note in ((1, "the newest 1 of 2 jobs; --limit shows more\n"), (2, "")):
        aws.expect("braket", "search_jobs", {"jobs": [job, job]}, filters=[])
        done = cli("jobs", f"--limit={limit}", "--json")
        assert (len(done.json), done.err) == (limit, note)


def test_a_page_of_a_log_without_events_is_not_its_end(aws: StubbedClients) -> None:
    stream = {"logStreams": [{"logStreamName": "vqe/1/algo-1"}]}
    prefix = JobLog(aws.logs, "vqe", ARN).prefix
    group = {"logGroupName": "/aws/braket/jobs"}
    aws.expect("logs", "describe_log_streams", stream, **group, logStreamNamePrefix=prefix)
    read = {
        **group,
        "logStreamName": "vqe/1/algo-1",
        "startFromHead": True,
        "limit": 10_000,
    }
    event = {"timestamp": 1, "message": "late"}
    aws.expect("logs", "get_log_events", {"events": [], "nextForwardToken": "a"}, **read)
    page = {"events": [event], "nextForwardToken": "b"}
    aws.expect("logs", "get_log_events", page, **read, nextToken="a")
    end = {"events": [], "nextForwardToken": "b"}
    aws.expect("logs", "get_log_events", end, **read, nextToken="b")
    assert [line.message for line in JobLog(aws.logs, "vqe", ARN).new_lines()] == ["late"]


def test_an_absolute_path_in_an_archive_is_below_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        member = tarfile.TarInfo("/results.json")
        member.size = 2
        members.addfile(member, io.BytesIO(b"{}"))
    file = tmp_path / "out" / "results.json"
    assert unpack(archive, tmp_path / "out") == [file]
    assert file.read_text() == "{}"


def test_the_arn_of_a_sweep_selects_its_region(
    aws: StubbedClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions: list[str] = []

    def in_region(region: str) -> StubbedClients:
        regions.append(region)
        return aws

    monkeypatch.setattr(aws, "in_region", in_region)
    machine = "arn:aws:states:eu-west-2:111122223333:stateMachine:Sweep"
    execution = "arn:aws:states:eu-west-2:111122223333:execution:Sweep:first"
    described = {
        "executionArn": execution,
        "stateMachineArn": machine,
        "status": "RUNNING",
        "startDate": "2026-01-01",
    }
    for reference, name in ((machine, "first"), (execution, None)):
        aws.expect("stepfunctions", "describe_execution", described, executionArn=execution)
        aws.expect("stepfunctions", "list_map_runs", {"mapRuns": []}, executionArn=execution)
        assert find_execution(aws, reference, name).arn == execution
    assert regions == ["eu-west-2", "eu-west-2"]
