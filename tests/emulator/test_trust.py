"""Jobs get their role if its trust policy allows it, and a session ends with its job."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import TRUST, Jobs, Json
from tests.emulator.users import user_who_may

ACCOUNT = "000000000000"
OF_THE_ACCOUNT = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
# As `HybridJobEnvironment(…, checks_caller=True)` writes it.
CHECKED = OF_THE_ACCOUNT | {"ArnLike": {"aws:SourceArn": f"arn:aws:braket:us-east-1:{ACCOUNT}:*"}}
OF_JOBS = {"ArnLike": {"aws:SourceArn": f"arn:aws:braket:*:{ACCOUNT}:job/*"}}
DENIED = {**TRUST, "Effect": "Deny"}


def _run(aws: LocalAws, *statements: Json) -> Json:
    jobs = Jobs(aws)
    boto3.client("iam", **aws.client_settings).update_assume_role_policy(
        RoleName=jobs.name, PolicyDocument=json.dumps({"Statement": statements})
    )
    return jobs.run("def main(): pass")


@pytest.mark.parametrize("conditions", [CHECKED, OF_JOBS], ids=["checks_caller", "jobs"])
def test_a_role_that_checks_the_caller_is_had_by_its_jobs(
    local_aws: LocalAws, conditions: Json
) -> None:
    job = _run(local_aws, {**TRUST, "Condition": conditions})
    assert job["status"] == "COMPLETED", job.get("failureReason")


@pytest.mark.parametrize(
    "statements",
    [
        [{**TRUST, "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}}],
        [
            {
                **TRUST,
                "Condition": OF_THE_ACCOUNT
                | {"ArnLike": {"aws:SourceArn": "arn:aws:braket:us-east-1:111111111111:*"}},
            }
        ],
        [
            {
                **TRUST,
                "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:lambda:*:{ACCOUNT}:*"}},
            }
        ],
        [TRUST, DENIED],
        [TRUST, {**DENIED, "Principal": "*"}],
        [TRUST, {**DENIED, "Principal": {"AWS": "*"}}],
        [TRUST, {**DENIED, "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "*"]}}],
        [{**TRUST, "Principal": {"AWS": "*"}}],
        [{**TRUST, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}],
    ],
    ids=[
        "another account", "another account's jobs", "another service's", "denied to the service",
        "denied to all", "denied to all accounts", "denied to all accounts of a list",
        "for all accounts", "for the account",
    ],
)  # fmt: skip
def test_a_role_that_is_not_for_the_job_is_not_had(
    local_aws: LocalAws, statements: list[Json]
) -> None:
    job = _run(local_aws, *statements)
    assert job["status"] == "FAILED"
    assert "sts:AssumeRole" in job["failureReason"]


def test_a_deny_for_others_is_no_deny_for_braket(local_aws: LocalAws) -> None:
    others = {"AWS": "arn:aws:iam::111111111111:root", "Service": "lambda.amazonaws.com"}
    assert _run(local_aws, TRUST, {**DENIED, "Principal": others})["status"] == "COMPLETED"


def _creator(aws: LocalAws, service: str) -> Json:
    """A client of a user who may create jobs, and pass roles to a service alone."""
    passed = {"StringEqualsIfExists": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    user = user_who_may(aws, ["braket:CreateJob", "iam:PassRole"], conditions=passed)
    return boto3.client("braket", **user)


def test_a_caller_that_may_pass_the_role_to_another_service_alone_creates_no_job(
    local_aws: LocalAws,
) -> None:
    jobs = Jobs(local_aws)
    request = jobs.request("def main(): pass")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*iam:PassRole"):
        _creator(local_aws, "lambda").create_job(**request)
    arn = _creator(local_aws, "braket").create_job(**request)["jobArn"]
    assert jobs.over(arn)["status"] == "COMPLETED"


def test_the_credentials_of_a_job_end_with_it(local_aws: LocalAws) -> None:
    jobs = Jobs(local_aws)
    job = jobs.run(
        "import boto3\n"
        "def main():\n"
        "    print('caller', boto3.client('sts').get_caller_identity()['Arn'])\n"
        "    print('key', *boto3.Session().get_credentials().get_frozen_credentials())\n"
    )
    log = dict(line.split(" ", 1) for line in jobs.log(job).splitlines())
    assert f":assumed-role/{jobs.name}/" in log["caller"]
    key, secret, token = log["key"].split()[:3]
    left = boto3.Session(key, secret, token)
    for service, call in (("sts", "get_caller_identity"), ("s3", "list_buckets")):
        client = left.client(  # type: ignore[call-overload]
            service, endpoint_url=local_aws.endpoint_url, region_name=local_aws.region
        )
        with pytest.raises(ClientError, match=r"InvalidClientTokenId|InvalidAccessKeyId"):
            getattr(client, call)()
