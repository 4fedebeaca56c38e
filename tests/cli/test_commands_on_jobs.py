"""The commands that read and control jobs, on jobs of a local AWS."""

import itertools
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.cli.conftest import HANGS, Cli
from tests.emulator.jobs import Jobs, Json

SCRIPT = """
from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric

def main():
    print("first line")
    print("\\x1b[31mred\\x1b[0m [bold]no markup[/bold]")
    for i in range(3):
        log_metric(metric_name="energy", value=-1.0 - i, iteration_number=i)
    save_job_result({"energy": -1.5, "label": "[red]plain[/red]"})
"""
FAILS = "def main(): raise ValueError('no convergence')"
SLOW = "import time\ndef main(): print('a', flush=True); time.sleep(1); print('z')"


@dataclass(frozen=True)
class Ended:
    """A job that completed and one that failed, as GetJob describes them."""

    jobs: Jobs
    completed: Json
    failed: Json


@pytest.fixture(scope="module")
def ended(local_aws: LocalAws) -> Ended:
    jobs = Jobs(local_aws)
    started = [jobs.start(SCRIPT), jobs.start(FAILS)]
    completed, failed = (jobs.over(arn) for arn in started)
    return Ended(jobs, completed, failed)


@pytest.fixture
def running(on_local_aws: LocalAws, running_job: str) -> Json:
    """A job that runs until it is cancelled."""
    braket = boto3.client("braket", **on_local_aws.client_settings)
    [found] = [
        job for job in braket.search_jobs(filters=[])["jobs"] if job["jobName"] == running_job
    ]
    return braket.get_job(jobArn=found["jobArn"])


pytestmark = pytest.mark.usefixtures("on_local_aws")


def id_of(job: Json) -> str:
    return str(job["jobArn"].rpartition("/")[2])


# --- References -----------------------------------------------------------------------------------


def test_a_job_is_found_by_arn_id_and_name(cli: Cli, ended: Ended) -> None:
    job = ended.completed
    found = [cli("status", each, "--json") for each in (job["jobArn"], id_of(job), job["jobName"])]
    assert [done.json["arn"] for done in found] == [job["jobArn"]] * 3


def test_an_unknown_job_is_an_error_in_one_line(cli: Cli) -> None:
    for reference in ("nothing", "Nothing/Vqe", "0c8e2a6e-6a5b-4d0a-9a3e-0d2a1f9f3f11"):
        done = cli("status", reference)
        assert (done.code, done.out) == (1, "")
        [line] = done.err.splitlines()
        assert line.startswith("cdk-braket: ")
        assert reference.partition("/")[0] in line


# Above, a job is found by its name and by its id.
@pytest.mark.long
def test_a_name_of_two_jobs_names_none_and_lists_their_ids(cli: Cli, ended: Ended) -> None:
    request = ended.jobs.request(SCRIPT)
    twins = [
        ended.jobs.braket.create_job(**{**request, "clientToken": token})["jobArn"]
        for token in ("first", "second")
    ]
    done = cli("status", request["jobName"])
    assert done.code == 1
    assert all(arn.rpartition("/")[2] in done.err for arn in twins)
    for arn in twins:
        ended.jobs.over(arn)


# --- jobs -----------------------------------------------------------------------------------------


def test_jobs_lists_the_newest_first_and_filters(cli: Cli, ended: Ended) -> None:
    every = cli("jobs", "--json", "--limit=1000").json
    created = [job["created"] for job in every]
    assert created == sorted(created, reverse=True)
    names = {job["name"]: job["status"] for job in every}
    assert names[ended.failed["jobName"]] == "FAILED"

    failed = cli("jobs", "--json", "--status=failed", "--limit=1000").json
    assert {job["status"] for job in failed} == {"FAILED"}
    named = cli("jobs", "--json", f"--name={ended.completed['jobName'][:-1]}?").json
    assert [job["arn"] for job in named] == [ended.completed["jobArn"]]
    only = f"--name={ended.completed['jobName']}"
    assert cli("jobs", "--json", "--device=qpu", only).json == []
    assert cli("jobs", "--json", "--since=2099-01-01").json == []
    assert len(cli("jobs", "--json", "--since=1d", "--limit=1").json) == 1


def test_a_table_that_is_piped_has_no_colors_and_is_not_cut(cli: Cli, ended: Ended) -> None:
    done = cli("jobs", f"--name={ended.completed['jobName']}")
    assert "\x1b" not in done.out
    header, row = done.out.splitlines()
    assert header.split() == ["STATUS", "NAME", "DEVICE", "CREATED", "TIME", "ID"]
    assert row.split()[:2] == ["COMPLETED", ended.completed["jobName"]]
    assert row.endswith(id_of(ended.completed))


def test_watch_ends_once_all_listed_jobs_have_ended(
    cli: Cli, running: Json, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        if not naps:
            ended.jobs.braket.cancel_job(jobArn=running["jobArn"])
        naps.append(seconds)
        time.sleep(0.1)

    monkeypatch.setattr("cdk_braket_cli.commands.jobs.time", SimpleNamespace(sleep=nap))
    done = cli("jobs", f"--name={running['jobName']}", "--watch", "--interval=0.2", "--json")
    assert done.code == 0
    shown = [[job["status"] for job in line] for line in done.lines()]
    assert shown[0] == ["RUNNING"]
    assert shown[-1] == ["CANCELLED"]
    assert len(shown) < len(naps) + 2, "a line only for each change"
    assert all(before != after for before, after in itertools.pairwise(shown))


# --- status, logs, results, cost, open ------------------------------------------------------------


def test_status_shows_a_job_and_the_cause_of_a_failure(cli: Cli, ended: Ended) -> None:
    done = cli("status", ended.completed["jobArn"])
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert rows["Status"].strip() == "COMPLETED"
    assert rows["ARN"].strip() == ended.completed["jobArn"]
    assert rows["Results"].strip().endswith("/output/model.tar.gz")

    failed = cli("status", id_of(ended.failed))
    assert failed.code == 0
    assert "ValueError: no convergence" in failed.out
    assert 'algo.py", line 1, in main' in failed.out


def test_logs_shows_all_lines_without_controls_and_markup(cli: Cli, ended: Ended) -> None:
    done = cli("logs", ended.completed["jobName"])
    lines = done.out.splitlines()
    assert "first line" in lines
    assert "[31mred[0m [bold]no markup[/bold]" in lines
    assert len([line for line in lines if line.startswith("Metrics - ")]) == 3


def test_logs_as_json_has_a_line_of_json_for_each_line(cli: Cli, ended: Ended) -> None:
    lines = cli("logs", ended.completed["jobName"], "--json").lines()
    assert {tuple(line) for line in lines} == {("time", "stream", "message")}
    assert "first line" in [line["message"] for line in lines]


def test_logs_that_are_followed_end_with_the_job(cli: Cli, ended: Ended) -> None:
    started = ended.jobs.start(SLOW)
    done = cli("logs", started, "--follow", "--interval=0.2")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines.index("a") < lines.index("z")
    assert lines.count("a") == lines.count("z") == 1
    assert "COMPLETED after" in done.err


def test_logs_that_are_followed_report_a_failure_by_the_exit_code(cli: Cli, ended: Ended) -> None:
    done = cli("logs", ended.failed["jobArn"], "--follow")
    assert done.code == 3
    assert "ValueError: no convergence" in done.out


def test_results_are_printed_and_unpacked(cli: Cli, ended: Ended, tmp_path: Path) -> None:
    done = cli("results", ended.completed["jobArn"], f"--output={tmp_path / 'out'}")
    assert json.loads(done.out) == {"energy": -1.5, "label": "[red]plain[/red]"}
    saved = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert saved["dataDictionary"]["energy"] == -1.5
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert cli("results", ended.completed["jobArn"], "--json").json["energy"] == -1.5


def test_a_job_that_did_not_complete_has_no_results(cli: Cli, ended: Ended, running: Json) -> None:
    failed = cli("results", ended.failed["jobArn"])
    assert failed.code == 1
    assert f"cdk-braket status {id_of(ended.failed)}" in failed.err
    alive = cli("results", running["jobArn"])
    assert alive.code == 1
    assert f"cdk-braket wait {id_of(running)}" in alive.err


def test_cost_counts_hours_of_jobs(cli: Cli, ended: Ended) -> None:
    done = cli("cost", ended.completed["jobArn"], ended.failed["jobArn"], "--json").json
    assert len(done["jobs"]) == 2
    assert done["hours_used"] == pytest.approx(sum(job["hours_used"] for job in done["jobs"]))
    assert 0 < done["hours_used"] < 1
    # A job that has ended uses no more.
    assert done["hours_limit"] == done["hours_used"]


def test_cost_of_a_running_job_is_at_most_its_limit(cli: Cli, ended: Ended) -> None:
    request = ended.jobs.request(
        HANGS,
        stoppingCondition={"maxRuntimeInSeconds": 1800},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 30, "instanceCount": 2},
    )
    arn = ended.jobs.braket.create_job(**request)["jobArn"]
    done = cli("cost", arn, "--json").json
    ended.jobs.braket.cancel_job(jobArn=arn)
    ended.jobs.over(arn)
    assert done["hours_limit"] == pytest.approx(1.0)


def test_cost_needs_one_choice_of_jobs(cli: Cli) -> None:
    for arguments in ((), ("x", "--since=1d"), ("--stack=A", "--since=1d")):
        assert cli("cost", *arguments).code == 2


def test_the_local_aws_has_no_console(cli: Cli, ended: Ended) -> None:
    done = cli("open", ended.completed["jobArn"])
    assert done.code == 1
    assert "has no console" in done.err


def test_a_console_address_is_printed_for_aws(
    cli: Cli, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    opened: list[str] = []
    browser = SimpleNamespace(open=opened.append)
    monkeypatch.setattr("cdk_braket_cli.commands.open_console.webbrowser", browser)
    arn = ended.completed["jobArn"]
    done = cli("open", arn)
    assert done.out.strip().endswith(f"#/job/{arn}")
    assert opened == [done.out.strip()]
    assert cli("open", arn, "--print").out == done.out
    assert len(opened) == 1


# --- wait and cancel ------------------------------------------------------------------------------


def test_wait_returns_the_outcome_as_its_exit_code(cli: Cli, ended: Ended) -> None:
    assert cli("wait", ended.completed["jobArn"]).code == 0
    done = cli("wait", ended.completed["jobArn"], ended.failed["jobArn"], "--json")
    assert done.code == 3
    assert [job["status"] for job in done.json] == ["COMPLETED", "FAILED"]


def test_wait_stops_at_its_timeout(cli: Cli, running: Json) -> None:
    done = cli("wait", running["jobArn"], "--timeout=0.5", "--interval=0.2")
    assert (done.code, done.out) == (5, "")


def test_cancel_without_a_terminal_needs_yes(cli: Cli, running: Json) -> None:
    done = cli("cancel", running["jobArn"])
    assert done.code == 2
    assert "--yes" in done.err
    assert cli("status", running["jobArn"], "--json").json["status"] == "RUNNING"


def test_cancel_cancels_and_wait_reports_it(cli: Cli, running: Json) -> None:
    done = cli("cancel", running["jobArn"], "--yes", "--json")
    assert done.code == 0
    assert done.json == [{"arn": running["jobArn"], "status": "CANCELLING"}]
    assert cli("wait", running["jobArn"], "--interval=0.2").code == 4


def test_cancel_leaves_a_job_that_has_ended(cli: Cli, ended: Ended) -> None:
    done = cli("cancel", ended.completed["jobArn"], "--yes")
    assert done.code == 1
    assert "COMPLETED" in done.out


# --- metrics and plot -----------------------------------------------------------------------------


def test_metrics_are_the_values_that_the_script_logged(cli: Cli, ended: Ended) -> None:
    job = ended.completed["jobArn"]
    rows = cli("metrics", job, "--json").json
    assert [(row["iteration"], row["values"]) for row in rows] == [
        (number, {"energy": -1 - number}) for number in range(3)
    ]
    [last] = cli("metrics", job, "--last", "--json").json
    assert last["values"] == {"energy": -3}
    table = cli("metrics", job).out.splitlines()
    assert table[0].split() == ["TIME", "ITERATION", "energy"]
    assert table[-1].split()[-2:] == ["2", "-3"]
    none = cli("metrics", job, "--metric=other")
    assert (none.code, none.out.strip()) == (0, "")
    assert "no such metrics" in none.err


def test_jobs_are_plotted_in_the_terminal(cli: Cli, ended: Ended) -> None:
    done = cli("plot", ended.completed["jobArn"])
    assert done.code == 0
    assert any("\u2800" < character <= "\u28ff" for character in done.out)
    assert "energy" in done.out
    assert "\x1b" not in done.out
    [series] = cli("plot", ended.completed["jobArn"], "--json").json["series"]
    assert series == {"label": "energy", "x": [0, 1, 2], "y": [-1, -2, -3]}


# tests/packaging/test_getting_started.py plots a job.
@pytest.mark.long
def test_several_jobs_are_plotted_to_files(cli: Cli, ended: Ended, tmp_path: Path) -> None:
    other = ended.jobs.run(SCRIPT)
    jobs = (ended.completed["jobArn"], other["jobArn"])
    for suffix, begin in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        file = tmp_path / f"plot{suffix}"
        assert cli("plot", *jobs, f"--output={file}").code == 0
        assert file.read_bytes().startswith(begin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "plot.svg"]
    labels = [series["label"] for series in cli("plot", *jobs, "--json").json["series"]]
    assert labels == [f"{ended.completed['jobName']} energy", f"{other['jobName']} energy"]


def test_a_plot_without_metrics_or_of_another_format_is_refused(
    cli: Cli, ended: Ended, tmp_path: Path
) -> None:
    assert cli("plot", ended.failed["jobArn"]).code == 1
    assert cli("plot", ended.completed["jobArn"], f"--output={tmp_path / 'a.pdf'}").code == 2


@pytest.mark.parametrize(("option", "package"), [("", "plotille"), ("plot.png", "matplotlib")])
def test_a_plot_without_the_extra_names_the_command_that_installs_it(
    cli: Cli, ended: Ended, monkeypatch: pytest.MonkeyPatch, option: str, package: str
) -> None:
    for name in (package, "matplotlib.backends.backend_agg", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    options = [f"--output={option}"] if option else []
    done = cli("plot", ended.completed["jobArn"], *options)
    assert done.code == 1
    assert f'{package} is not installed; run: pip install "cdk-braket[plot]' in done.err
    assert not Path("plot.png").exists()
