"""A failed job leads to its cause."""

import pytest

from cdk_braket_client import job_failure
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs


def test_a_failed_job_leads_to_its_traceback_log_and_console(local_aws: LocalAws) -> None:
    jobs = Jobs(local_aws)
    job = jobs.run("def main():\n    found = {}\n    return found['energy']\n")
    frame, error, log, console = job_failure.describe(job, jobs.logs)
    assert frame.endswith('algo.py", line 3, in main')
    assert error == "KeyError: 'energy'"
    job_id = job["jobArn"].rpartition("/")[2]
    assert log.startswith("Log: log group /aws/braket/jobs, log stream ")
    assert f"{job['jobName']}/{job_id}/algo-1-" in log
    assert console.endswith(f"#/job/{job['jobArn']}")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], []),
        (["no traceback", "KeyError: 1"], []),
        (
            ['  File "a.py", line 1, in f', "    g()", '  File "b.py", line 2, in g', "E: x"],
            ['File "b.py", line 2, in g', "E: x"],
        ),
        (
            ['  File "a.py", line 1', "    def f(:", "SyntaxError: no"],
            ['File "a.py", line 1', "SyntaxError: no"],
        ),
        (
            ['  File "a.py", line 1, in f', "E: \x1b[31mred"],
            ['File "a.py", line 1, in f', "E: [31mred"],
        ),
    ],
)
def test_the_last_frame_is_found(lines: list[str], found: list[str]) -> None:
    assert job_failure.last_frame(lines) == found
