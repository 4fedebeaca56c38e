"""Each permission of the library is needed: without it, the deployment or the job fails.

One stack is deployed repeatedly, each time without one action of one statement.
docs/reference/permissions.md lists the actions that the local AWS requires.
"""

import copy
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import FINAL, JOB_LOG_GROUP, TOKEN_TAG
from cdk_braket_local.control.instance import LocalAws
from tests import permissions
from tests.deploy import environments, impatient, resource_policies
from tests.deploy.cdk import CdkApp
from tests.emulator.jobs import log_of
from tests.patience import PATIENCE

APP = environments.ROOT / "tests/deploy/apps/guarded"
CUSTOM_RESOURCE = "Custom::BraketHybridJob"
# A deployment spends most of its time waiting for a handler that retries a denied call.
AT_ONCE = 16

# tests/ledger removes each statement of each role, with an evaluator of policies. Each deployment
# of the suite has its policies enforced; test_environments.py has the calls that they deny.
pytestmark = pytest.mark.long

# A template is what CloudFormation makes of it: nothing here is typed.
Template = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Permission:
    """One action of one statement."""

    policy: str
    statement: int
    action: str
    resource: str

    def removed_from(self, template: Template) -> Template:
        changed = copy.deepcopy(template)
        statements = _statements(changed, self.policy)
        left = list(_many(statements[self.statement]["Action"]))
        left.remove(self.action)
        if left:
            statements[self.statement]["Action"] = left
        else:
            del statements[self.statement]
        return changed

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@pytest.fixture(scope="module")
def older(bootstrapped_aws: LocalAws) -> str:
    """A bucket with the checkpoints of an earlier job."""
    name = "amazon-braket-older"
    s3 = boto3.client("s3", **bootstrapped_aws.client_settings)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="checkpoints/older.txt", Body=b"older")
    return name


@pytest.fixture(scope="module")
def templates(
    bootstrapped_aws: LocalAws, older: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The templates of the stacks, whose assets the CLI has put where they belong."""
    app = CdkApp(APP, tmp_path_factory.mktemp("guarded"), environments.of_command(bootstrapped_aws))
    app.deploy(older=older)
    yield app.scratch / "cdk.out"
    app.delete_stacks()


@pytest.fixture(scope="module")
def template(templates: Path) -> Template:
    """Return the template of a job with its environment's role."""
    return _read(templates / "Guarded.template.json")


@pytest.fixture(scope="module")
def isolated(templates: Path) -> Template:
    """Return the template of a job with a separate role."""
    return _read(templates / "GuardedAlone.template.json")


def _read(file: Path) -> Template:
    template: Template = json.loads(file.read_text())
    return template


def test_with_all_permissions_all_goes_well(local_aws: LocalAws, template: Template) -> None:
    assert _Scenario(local_aws, template).of_handler() == ""


def test_the_handler_needs_each_of_its_permissions(
    local_aws: LocalAws, template: Template, subtests: pytest.Subtests
) -> None:
    needed = permissions.removed("The handler's role")
    given = _permissions(template, "BraketHybridJobHandler", needed)
    wrong = _without_each(local_aws, template, given, _Scenario.of_handler)
    _expect_failures(subtests, wrong, needed)


def test_the_job_needs_each_of_its_permissions(
    local_aws: LocalAws, template: Template, subtests: pytest.Subtests
) -> None:
    needed = permissions.removed("The execution role")
    given = _permissions(template, "JobEnvironmentRole", needed)
    _expect_failures(subtests, _without_each_of_job(local_aws, template, given), needed)


def test_an_isolated_job_needs_each_of_its_permissions(
    local_aws: LocalAws, isolated: Template, subtests: pytest.Subtests
) -> None:
    needed = permissions.removed("The role of an isolated job")
    given = _permissions(isolated, "JobRole", needed)
    _expect_failures(subtests, _without_each_of_job(local_aws, isolated, given), needed)


def test_each_statement_of_a_resource_policy_decides_its_requests(
    local_aws: LocalAws, template: Template
) -> None:
    assert template
    held = set()
    for policy in resource_policies.policies(local_aws, "Guarded"):
        held.add(re.sub(r"[0-9A-F]{8}$", "", policy.holder))
        for index, statement in enumerate(policy.document["Statement"]):
            decided, others = resource_policies.requests(policy, statement)
            is_allow = statement["Effect"] == "Allow"
            reduced = policy.without(index)
            for request in decided:
                assert policy.allows(request) == is_allow, (policy.holder, request)
                assert reduced.allows(request) != is_allow, (policy.holder, request)
            for request in others:
                assert policy.allows(request) != is_allow, (policy.holder, request)
    assert held == {
        "JobEnvironmentInputsBucket",
        "JobEnvironmentResultsBucket",
        "JobEnvironmentAccessLogsBucket",
        "JobEnvironmentKey",
        "BraketHybridJobHandlerDeadLetters",
    }


def test_a_job_needs_the_trust_of_its_role_in_braket(
    local_aws: LocalAws, template: Template
) -> None:
    changed = copy.deepcopy(template)
    [role] = [name for name in changed["Resources"] if name.startswith("JobEnvironmentRole")][:1]
    document = changed["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]
    [statement] = document["Statement"]
    assert statement["Principal"] == {"Service": "braket.amazonaws.com"}
    statement["Principal"]["Service"] = "ec2.amazonaws.com"
    assert "AssumeRole" in _Scenario(local_aws, changed).of_job()


def _without_each_of_job(
    local_aws: LocalAws, template: Template, given: Sequence[Permission]
) -> dict[Permission, str]:
    """Return the problem of a job without each permission."""
    # The group is there once an account had its first job.
    makes_group = [p for p in given if p.action == "logs:CreateLogGroup"]
    others = [p for p in given if p not in makes_group]
    wrong = _without_each(local_aws, template, others, _Scenario.of_job)
    boto3.client("logs", **local_aws.client_settings).delete_log_group(logGroupName=JOB_LOG_GROUP)
    return wrong | _without_each(local_aws, template, makes_group, _Scenario.of_job)


def _expect_failures(
    subtests: pytest.Subtests, wrong: Mapping[Permission, str], needed: frozenset[str]
) -> None:
    """Expect a problem without a required permission, and only then."""
    for permission, reason in wrong.items():
        with subtests.test(without=str(permission)):
            assert bool(reason) == (permission.action in needed), reason


def _renamed(template: Template, name: str) -> Template:
    """Return a template for a stack of another name, which the key's policy has in log groups."""
    renamed: Template = json.loads(
        re.sub(r":log-group:[A-Za-z]+-", f":log-group:{name}-", json.dumps(template))
    )
    return renamed


class _Scenario:
    """One deployment of a template, under a separate name."""

    def __init__(self, aws: LocalAws, template: Template) -> None:
        settings = aws.client_settings
        self._seen: set[str] = set()
        self._name = f"guarded-{uuid.uuid4().hex[:12]}"
        self._template = _renamed(template, self._name)
        impatient.shorten(self._template)
        (self._logical_id,) = (
            name for name, r in template["Resources"].items() if r["Type"] == CUSTOM_RESOURCE
        )
        self._cloudformation = boto3.client("cloudformation", **settings)
        self._braket = boto3.client("braket", **settings)
        self._s3 = boto3.client("s3", **settings)
        self._logs = boto3.client("logs", **settings)

    def of_job(self) -> str:
        """Deploy it and let the job end; return the first problem, if any."""
        try:
            return self._deploy("create_stack") or self._job_did_its_work()
        finally:
            self._leave_nothing()

    def of_handler(self) -> str:
        """Create, replace, lose, re-tag and delete a job; return the first problem."""
        try:
            return self._deploy("create_stack") or self._job_is_replaced()
        finally:
            self._leave_nothing()

    def _job_did_its_work(self) -> str:
        job = self._over(self._job())
        if job["status"] != "COMPLETED":
            return str(job["failureReason"])
        if "I read: to be read, older" not in log_of(self._logs, job["jobName"]):
            return "the log says nothing"
        bucket, _, key = job["checkpointConfig"]["s3Uri"].removeprefix("s3://").partition("/")
        self._s3.head_object(Bucket=bucket, Key=f"{key}/newer.txt")
        return ""

    def _job_is_replaced(self) -> str:
        if wrong := self._job_did_its_work():
            return wrong
        self._edit("Request", '"seconds": "0"', '"seconds": "600"')
        if wrong := self._deploy("update_stack"):
            return wrong
        job = self._job()
        lost = self._lose_a_job(job)
        self._edit("Tags", '"dropped"', '"added"')
        if wrong := self._deploy("update_stack") or self._was_cancelled(lost):
            return wrong
        if self._job() != job:
            return "another job"
        tags = self._braket.get_job(jobArn=job)["tags"]
        if "dropped" in tags or "added" not in tags:
            return "the tags were not changed"
        return self._delete() or self._was_cancelled(job)

    def _was_cancelled(self, job: str) -> str:
        status = self._braket.get_job(jobArn=job)["status"]
        return "" if status == "CANCELLED" else f"the job is {status}"

    def _edit(self, name: str, old: str, new: str) -> None:
        """Change a property of the custom resource."""
        properties = self._template["Resources"][self._logical_id]["Properties"]
        before = json.dumps(properties[name])
        after = before.replace(old, new)
        assert before != after, before
        properties[name] = json.loads(after)

    def _lose_a_job(self, like: str) -> str:
        """Start a job whose ARN the handler never received, as after a crash; return it."""
        token = uuid.uuid4().hex
        known = self._braket.get_job(jobArn=like)
        shape: Any = self._braket.meta.service_model.shape_for("CreateJobRequest")
        request: Any = {name: value for name, value in known.items() if name in shape.members}
        lost = self._braket.create_job(
            **request | {"clientToken": token, "tags": {TOKEN_TAG: token}}
        )
        inputs = self._physical_id("InputsBucket")
        stack = self._stack()["StackId"].rpartition("/")[2]
        key = f".cdk-braket/jobs/{stack}/{self._logical_id}.json"
        record = json.loads(self._s3.get_object(Bucket=inputs, Key=key)["Body"].read())
        run = next(run for run in record["runs"].values() if run["job"] == like)
        forgotten = {"job": None, "token": token, "calling_until": time.time() - 1}
        other = {"definition": "another definition", "state": "CALLING"}
        record["runs"][token] = run | forgotten | other
        self._s3.put_object(Bucket=inputs, Key=key, Body=json.dumps(record).encode())
        self._seen.add(lost["jobArn"])
        return lost["jobArn"]

    def _deploy(self, operation: str) -> str:
        call = getattr(self._cloudformation, operation)
        call(
            StackName=self._name,
            TemplateBody=json.dumps(self._template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
        status = self._settled(self._name)
        good = {"create_stack": "CREATE_COMPLETE", "update_stack": "UPDATE_COMPLETE"}[operation]
        return "" if status == good else f"{status}: {self._reasons()}"

    def _delete(self) -> str:
        stack = self._stack()["StackId"]
        self._cloudformation.delete_stack(StackName=self._name)
        status = self._settled(stack)
        return "" if status == "DELETE_COMPLETE" else status

    def _leave_nothing(self) -> None:
        """Cancel running jobs, which would block the others."""
        for job in self._seen:
            if self._braket.get_job(jobArn=job)["status"] not in FINAL:
                self._braket.cancel_job(jobArn=job)

    def _settled(self, stack: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            (described,) = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
            if not described["StackStatus"].endswith("IN_PROGRESS"):
                return str(described["StackStatus"])
            time.sleep(0.2)
        raise AssertionError(f"{stack} does not settle")

    def _stack(self) -> Mapping[str, Any]:
        (stack,) = self._cloudformation.describe_stacks(StackName=self._name)["Stacks"]
        return stack

    def _reasons(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=self._name)["StackEvents"]
        return "; ".join(event.get("ResourceStatusReason", "") for event in events)

    def _job(self) -> str:
        job = self._physical_id(self._logical_id)
        self._seen.add(job)
        return job

    def _physical_id(self, part: str) -> str:
        found = self._cloudformation.describe_stack_resources(StackName=self._name)
        (physical_id,) = (
            resource["PhysicalResourceId"]
            for resource in found["StackResources"]
            if part in resource["LogicalResourceId"]
            and not resource["ResourceType"].endswith("Policy")
        )
        return physical_id

    def _over(self, job: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            described = self._braket.get_job(jobArn=job)
            if described["status"] in FINAL:
                return described
            time.sleep(0.2)
        raise AssertionError(f"{job} does not end")


def _without_each(
    aws: LocalAws,
    template: Template,
    permissions: Sequence[Permission],
    scenario: Callable[["_Scenario"], str],
) -> dict[Permission, str]:
    """Return the problem without each permission."""

    def without(permission: Permission) -> str:
        return scenario(_Scenario(aws, permission.removed_from(template)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(permissions, pool.map(without, permissions), strict=True))


def _permissions(
    template: Template, policy_part: str, needed: frozenset[str]
) -> Sequence[Permission]:
    """Return the permissions of a role to try without."""
    given = [
        Permission(name, index, action, json.dumps(statement["Resource"]))
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy" and name.startswith(policy_part)
        for index, statement in enumerate(_statements(template, name))
        for action in _many(statement["Action"])
    ]
    assert {permission.action for permission in given} > needed
    return given


def _statements(template: Template, policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = template["Resources"][policy]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    return found


def _many(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
