"""The table of a dashboard: the responses of GetJob, as HTML with escaped strings."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cdk_braket._lambda.braket_jobs.contract import JOB_ARNS
from cdk_braket._lambda.braket_jobs.dashboard.index import handler, render

JOB = "arn:aws:braket:us-east-1:123456789012:job/1"
START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)


class _Jobs:
    def __init__(self, **changes: object) -> None:
        self.job: dict[str, object] = {"jobName": "vqe", "status": "RUNNING", "startedAt": START}
        self.job |= changes
        self.asked: list[str] = []

    def get_job(self, *, jobArn: str) -> Mapping[str, object]:  # noqa: N803 - boto3's name
        self.asked.append(jobArn)
        if isinstance(self.job.get("raises"), Exception):
            raise self.job["raises"]  # type: ignore[misc]  # it is one
        return self.job


def _shown(jobs: _Jobs, **event: object) -> str:
    event = event or {JOB_ARNS: [JOB]}
    return render(event, lambda: jobs, START + timedelta(hours=1, minutes=2, seconds=3))


def test_a_running_job_is_shown_with_how_long_it_runs() -> None:
    shown = _shown(_Jobs())
    for text in ("vqe", "RUNNING", "2026-11-23 08:00:00 UTC", "1:02:03"):
        assert f"<td>{text}</td>" in shown


def test_an_ended_job_is_shown_with_its_runtime_and_failure_reason() -> None:
    jobs = _Jobs(status="FAILED", endedAt=START + timedelta(seconds=90), failureReason="no minimum")
    shown = _shown(jobs)
    for text in ("FAILED", "0:01:30", "no minimum"):
        assert f"<td>{text}</td>" in shown


def test_a_queued_job_has_no_runtime() -> None:
    jobs = _Jobs(status="QUEUED", startedAt=None)
    assert "<td>QUEUED</td><td></td><td></td><td></td>" in _shown(jobs)


def test_strings_of_users_are_escaped() -> None:
    shown = _shown(_Jobs(jobName="<script>x</script>", failureReason='"><img src=x onerror=y>'))
    assert "<script" not in shown
    assert "<img" not in shown


def test_each_job_is_a_row_in_the_given_order() -> None:
    others = [f"{JOB}{number}" for number in range(20)]
    jobs = _Jobs(status="QUEUED")
    shown = _shown(jobs, **{JOB_ARNS: others})
    assert shown.count("<tr>") == 21
    assert sorted(jobs.asked) == sorted(others)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetJob"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://canary.example"), "EndpointConnectionError"),
    ],
)
def test_an_unreadable_job_is_reported_and_the_rest_is_shown(error: Exception, told: str) -> None:
    shown = _shown(_Jobs(raises=error))
    assert JOB in shown
    assert told in shown
    assert "canary" not in shown


@pytest.mark.parametrize(
    "event", [None, [], {}, {JOB_ARNS: None}, {JOB_ARNS: ["x", 3, {}]}, {JOB_ARNS: "arn"}]
)
def test_an_event_without_jobs_causes_no_calls(event: object) -> None:
    jobs = _Jobs()
    assert render(event, lambda: jobs) == "<p>No hybrid jobs.</p>"
    assert jobs.asked == []


def test_it_describes_itself() -> None:
    assert JOB_ARNS in str(handler({"describe": True}, None))
