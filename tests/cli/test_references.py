"""Jobs by stack and construct path, as CloudFormation lists them."""

import json
from collections.abc import Iterator

import pytest

from cdk_braket_client.errors import JobNotFoundError
from cdk_braket_client.job_reference import find_job_arn
from tests.cli.stubs import StubbedClients, stubbed

TYPE = "Custom::BraketHybridJob"
MISSING = "Stack with id {} does not exist"


def arn(number: int) -> str:
    return f"arn:aws:braket:us-east-1:111122223333:job/0c8e2a6e-6a5b-4d0a-9a3e-{number:012}"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    with stubbed(monkeypatch) as clients:
        yield clients


def has_stack(
    aws: StubbedClients, name: str, paths: dict[str, str], nested: dict[str, str] | None = None
) -> None:
    """A stack with jobs by construct path, and nested stacks by logical id."""
    jobs = {f"Job{number}": path for number, path in enumerate(paths)}
    resources = [(logical_id, TYPE, paths[path]) for logical_id, path in jobs.items()] + [
        (name, "AWS::CloudFormation::Stack", target) for name, target in (nested or {}).items()
    ]
    summaries = [
        {
            "LogicalResourceId": logical_id,
            "ResourceType": kind,
            "PhysicalResourceId": physical,
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": "2026-01-01",
        }
        for logical_id, kind, physical in resources
    ]
    answer = {"StackResourceSummaries": summaries}
    aws.expect("cloudformation", "list_stack_resources", answer, StackName=name)
    if jobs:
        body = {
            logical_id: {"Type": TYPE, "Metadata": {"aws:cdk:path": f"{path}/Resource/Default"}}
            for logical_id, path in jobs.items()
        }
        template = {"TemplateBody": json.dumps({"Resources": body})}
        expected = {"StackName": name, "TemplateStage": "Original"}
        aws.expect("cloudformation", "get_template", template, **expected)


def has_no_stack(aws: StubbedClients, name: str) -> None:
    text = MISSING.format(name)
    aws.refuse("cloudformation", "list_stack_resources", "ValidationError", text)


def test_a_construct_of_a_stack(aws: StubbedClients) -> None:
    has_stack(aws, "Chemistry", {"Chemistry/Vqe": arn(1), "Chemistry/Other": arn(2)})
    assert find_job_arn(aws, "Chemistry/Vqe") == arn(1)


def test_a_logical_id(aws: StubbedClients) -> None:
    has_stack(aws, "Chemistry", {"Chemistry/Vqe": arn(1), "Chemistry/Other": arn(2)})
    assert find_job_arn(aws, "Chemistry/Job1") == arn(2)


@pytest.mark.parametrize("stage", ["", "Prod/"])
def test_a_construct_below_the_stack_is_not_that_of_a_group(
    aws: StubbedClients, stage: str
) -> None:
    if stage:
        has_no_stack(aws, "Prod")
    paths = {f"{stage}Chemistry/Group/Vqe": arn(1), f"{stage}Chemistry/Vqe": arn(2)}
    has_stack(aws, f"{stage}Chemistry".replace("/", "-"), paths)
    assert find_job_arn(aws, f"{stage}Chemistry/Vqe") == arn(2)


def test_a_path_ends_at_a_slash(aws: StubbedClients) -> None:
    has_stack(aws, "Chemistry", {"Chemistry/MyVqe": arn(1)})
    with pytest.raises(JobNotFoundError, match="no such job"):
        find_job_arn(aws, "Chemistry/Vqe")


def test_a_stack_in_a_stage(aws: StubbedClients) -> None:
    has_no_stack(aws, "Prod")
    has_stack(aws, "Prod-Chemistry", {"Prod/Chemistry/Vqe": arn(1)})
    assert find_job_arn(aws, "Prod/Chemistry/Vqe") == arn(1)


def test_a_nested_stack(aws: StubbedClients) -> None:
    has_stack(aws, "Chemistry", {}, {"Inner": "arn:nested"})
    has_stack(aws, "arn:nested", {"Chemistry/Inner/Vqe": arn(1)})
    assert find_job_arn(aws, "Chemistry/Inner/Vqe") == arn(1)


def test_a_stack_with_one_job(aws: StubbedClients) -> None:
    for reference in ("Chemistry", "Chemistry/"):
        aws.expect("braket", "search_jobs", {"jobs": []}, filters=[])
        has_stack(aws, "Chemistry", {"Chemistry/Vqe": arn(1)})
        assert find_job_arn(aws, reference) == arn(1)


def test_a_stack_with_two_jobs_lists_them(aws: StubbedClients) -> None:
    aws.expect("braket", "search_jobs", {"jobs": []}, filters=[])
    has_stack(aws, "Chemistry", {"Chemistry/Vqe": arn(1), "Chemistry/Other": arn(2)})
    with pytest.raises(JobNotFoundError, match="Chemistry/Vqe, Chemistry/Other"):
        find_job_arn(aws, "Chemistry")


def test_a_job_that_was_never_started(aws: StubbedClients) -> None:
    has_stack(aws, "Chemistry", {"Chemistry/Vqe": "no-job-was-started"})
    with pytest.raises(JobNotFoundError, match="has no job yet"):
        find_job_arn(aws, "Chemistry/Vqe")


def test_no_such_stack(aws: StubbedClients) -> None:
    has_no_stack(aws, "Chemistry")
    with pytest.raises(JobNotFoundError, match="no stack Chemistry"):
        find_job_arn(aws, "Chemistry/Vqe")


def test_an_id_is_completed_with_account_and_partition(aws: StubbedClients) -> None:
    caller = {"Account": "111122223333", "Arn": "arn:aws:sts::111122223333:assumed-role/a/b"}
    aws.expect("sts", "get_caller_identity", caller)
    assert find_job_arn(aws, arn(1).rpartition("/")[2].upper()) == arn(1)


def test_all_pages_of_jobs_are_searched(aws: StubbedClients) -> None:
    def page(number: int, token: str | None) -> dict[str, object]:
        job = {
            "jobArn": arn(number),
            "jobName": f"job-{number}",
            "status": "COMPLETED",
            "device": "local:braket/default",
            "createdAt": "2026-01-01",
        }
        return {"jobs": [job]} | ({"nextToken": token} if token else {})

    aws.expect("braket", "search_jobs", page(1, "more"), filters=[])
    aws.expect("braket", "search_jobs", page(2, None), filters=[], nextToken="more")
    assert find_job_arn(aws, "job-2") == arn(2)
