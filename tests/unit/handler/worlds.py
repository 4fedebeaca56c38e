"""A world in memory for the handler: S3, Braket, CloudFormation's mailbox and a clock.

It is strict where AWS is (conditional writes, tokens, states). A test can let any call fail, or
kill the handler at it.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.nested_properties import nested
from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    FAILED,
    FINAL,
    OnDelete,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.gateway import Job, Page
from cdk_braket._lambda.braket_jobs.handler.properties import Encryption, Location

_T = TypeVar("_T")

ACCOUNT = "123456789012"
STACK = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/Vqe/5d3f1a90-0000-11ee-9c2f-0affe0000001"
LOGICAL = "JobResource7A1B"
RECORDS = "s3://amazon-braket-inputs/.cdk-braket/jobs"


class Killed(BaseException):
    """The function was killed: nothing may catch this."""


@contextmanager
def killed_at(world: "World", number: int, side: str = "before") -> Iterator[None]:
    """Kill the handler at a call, and check that it was killed.

    Args:
        world: The world.
        number: The number of the call, from 0.
        side: `before` the call takes effect, or `after` it.
    """

    def kill(_name: str, at: int) -> None:
        if at == number:
            raise Killed

    setattr(world, side, kill)
    with pytest.raises(Killed):
        yield
    setattr(world, side, lambda _name, _number: None)


@dataclass
class FakeJob:
    """The service's record of a job."""

    arn: str
    token: str
    request: Mapping[str, object]
    created: float
    status: str = "QUEUED"
    tags: dict[str, str] = field(default_factory=dict)
    cancel_at: float | None = None
    ends_at: float | None = None
    ends_as: str = COMPLETED
    failure_reason: str = ""
    started: float | None = None
    ended: float | None = None
    instances: int = 1


@dataclass
class World:
    """The environment of the handler.

    `faults` maps the number of a call (from 0) or the name of a method to the error before it.
    `faults_after` does the same after it took effect. A fault by number happens once.
    """

    time: float = 1_800_000_000.0
    objects: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    assets: dict[tuple[str, str], str] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    remembers_tokens: float = 1e12
    appears_after: float = 0.0
    cancel_takes: float = 5.0
    search_tells_tags: bool = True
    cancels: int = 0
    answers: list[dict[str, object]] = field(default_factory=list)
    answer_statuses: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    invoked: list[Mapping[str, object]] = field(default_factory=list)
    events: list[tuple[float, str, str, Mapping[str, str], str]] = field(default_factory=list)
    tasks: list[tuple[str, str, object]] = field(default_factory=list)
    metrics: dict[str, dict[str, int | float]] = field(default_factory=dict)
    tables: dict[tuple[str, str], str] = field(default_factory=dict)
    executions: dict[str, str] = field(default_factory=dict)
    execution_starts: dict[str, float] = field(default_factory=dict)
    job_takes: float | None = None
    job_ends_as: str = COMPLETED
    failure_reason: str = ""
    roles: set[str] = field(default_factory=lambda: {"AWSServiceRoleForAmazonBraket"})
    devices: dict[str, str] = field(default_factory=dict)
    tags_of_buckets: dict[str, dict[str, str]] = field(default_factory=dict)
    before: Callable[[str, int], None] = lambda _name, _number: None
    after: Callable[[str, int], None] = lambda _name, _number: None
    region: str = "us-east-1"
    page_size: int = 100
    braket_clock: float = 0.0
    encryption: dict[tuple[str, str], Encryption | None] = field(default_factory=dict)

    # --- What tests ask. ---

    def alive(self) -> list[FakeJob]:
        for job in self.jobs.values():
            self._advance(job)
        return [job for job in self.jobs.values() if job.status not in FINAL | {CANCELLING}]

    def only_job(self) -> FakeJob:
        [job] = self.jobs.values()
        return job

    def finish(self, arn: str, status: str) -> None:
        self.jobs[arn].status = status

    def record(self) -> dict[str, object]:
        [(text, _)] = self.objects.values()
        loaded = json.loads(text)
        assert isinstance(loaded, dict)
        return loaded

    # --- The gateway. ---

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds

    def read_record(self, location: Location) -> tuple[str, str] | None:
        with self._call("read_record"):
            return self.objects.get((location.bucket, location.key))

    def write_record(
        self,
        location: Location,
        text: str,
        version: str | None,
        encryption: Encryption | None = None,
    ) -> str:
        with self._call("write_record"):
            place = (location.bucket, location.key)
            existing = self.objects.get(place)
            if (existing[1] if existing else None) != version:
                raise ServiceError("PutObject", "PreconditionFailed", "", Kind.CONFLICT)
            self.encryption[place] = encryption
            version = hashlib.sha256(text.encode()).hexdigest()
            self.objects[place] = (text, version)
            return version

    def overwrite(self, location: Location, text: str, content_type: str) -> None:
        with self._call("overwrite"):
            place = (location.bucket, location.key)
            if content_type.startswith("text/csv"):
                self.tables[place] = text
            else:
                self.objects[place] = (text, hashlib.sha256(text.encode()).hexdigest())

    def copy_asset(
        self, source: Location, destination: Location, encryption: Encryption | None = None
    ) -> None:
        with self._call("copy_asset"):
            self.encryption[destination.bucket, destination.key] = encryption
            self.assets[destination.bucket, destination.key] = f"{source.bucket}/{source.key}"

    def list_keys(self, prefix: Location, token: str = "") -> Page[str]:
        with self._call("list_keys"):
            found = [
                key
                for bucket, key in sorted({*self.assets, *self.objects})
                if bucket == prefix.bucket and key.startswith(prefix.key)
            ]
            return self._page(found, token)

    def _page(self, items: "list[_T]", token: str) -> Page[_T]:
        start = int(token or 0)
        end = start + self.page_size
        return Page(tuple(items[start:end]), str(end) if end < len(items) else "")

    def has_role(self, name: str) -> bool:
        with self._call("has_role"):
            return name in self.roles

    def device_status(self, arn: str) -> str:
        with self._call("device_status"):
            return self.devices.get(arn, "ONLINE")

    def has_object(self, location: Location) -> bool:
        with self._call("has_object"):
            return (location.bucket, location.key) in self.assets

    def bucket_tags(self, bucket: str) -> Mapping[str, str]:
        with self._call("bucket_tags"):
            return self.tags_of_buckets.get(bucket, {})

    def create_job(self, request: Mapping[str, object]) -> str:
        with self._call("create_job"):
            assert model_rules.check("CreateJobRequest", request) == []
            token = str(request["clientToken"])
            for job in self.jobs.values():
                if job.token == token and self.time - job.created < self.remembers_tokens:
                    if job.request != request:
                        raise ServiceError("CreateJob", "ConflictException", "", Kind.CONFLICT)
                    return job.arn
            return self._new_job(token, request)

    def _new_job(self, token: str, request: Mapping[str, object]) -> str:
        tail = f"00000000-0000-0000-0000-{len(self.jobs):012}"
        arn = f"arn:aws:braket:us-east-1:{ACCOUNT}:job/{tail}"
        tags = request["tags"]
        assert isinstance(tags, dict)
        job = FakeJob(arn, token, request, self.time, tags=dict(tags))
        if self.job_takes is not None:
            job.ends_at, job.ends_as = self.time + self.job_takes, self.job_ends_as
            job.failure_reason = self.failure_reason
        self.jobs[arn] = job
        return arn

    def get_job(self, arn: str) -> Job:
        with self._call("get_job"):
            job = self._known(arn, "GetJob")
            reason = job.failure_reason if job.status == FAILED else ""
            name = str(job.request["jobName"])
            return Job(
                arn,
                job.status,
                name,
                dict(job.tags),
                failure_reason=reason,
                started_at=_iso(job.started),
                ended_at=_iso(job.ended),
                instances=job.instances,
            )

    def find_jobs(self, created_after: float, token: str = "") -> Page[Job]:
        with self._call("find_jobs"):
            found = []
            for job in self.jobs.values():
                self._advance(job)
                created = job.created + self.braket_clock
                if created_after <= created and job.created <= self.time - self.appears_after:
                    tags = dict(job.tags) if self.search_tells_tags else None
                    found.append(Job(job.arn, job.status, str(job.request["jobName"]), tags))
            return self._page(found, token)

    def cancel_job(self, arn: str) -> None:
        with self._call("cancel_job"):
            job = self._known(arn, "CancelJob")
            if job.status in FINAL:
                raise ServiceError("CancelJob", "ConflictException", "", Kind.CONFLICT)
            self.cancels += 1
            job.status = CANCELLING
            job.cancel_at = job.cancel_at or self.time + self.cancel_takes

    def tag_job(self, arn: str, tags: Mapping[str, str]) -> None:
        with self._call("tag_job"):
            self._known(arn, "TagResource").tags.update(tags)

    def untag_job(self, arn: str, keys: tuple[str, ...]) -> None:
        with self._call("untag_job"):
            for key in keys:
                self._known(arn, "UntagResource").tags.pop(key, None)

    def put_event(
        self, source: str, detail_type: str, detail: Mapping[str, str], resource: str
    ) -> None:
        with self._call("put_event"):
            self.events.append((self.time, source, detail_type, detail, resource))

    def send_task_success(self, token: str, output: Mapping[str, object]) -> None:
        with self._call("send_task_success"):
            self.tasks.append((token, "SUCCESS", json.loads(json.dumps(output))))

    def send_task_failure(self, token: str, error: str, cause: str) -> None:
        with self._call("send_task_failure"):
            self.tasks.append((token, error, cause))

    def start_execution(self, state_machine: str, name: str, text: str) -> str:
        with self._call("start_execution"):
            assert json.loads(text) == {}
            arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
            # The same call succeeds again while the execution runs.
            if self.executions.get(arn, "RUNNING") != "RUNNING":
                code = "ExecutionAlreadyExists"
                raise ServiceError("StartExecution", code, "", Kind.PERMANENT)
            self.executions[arn] = "RUNNING"
            self.execution_starts.setdefault(arn, self.time)
            return arn

    def list_executions(self, state_machine: str, token: str = "") -> Page[Job]:
        with self._call("list_executions"):
            prefix = f"{state_machine.replace(':stateMachine:', ':execution:')}:"
            found = [
                Job(arn, status, arn.removeprefix(prefix), None, started_at=_iso(started))
                for arn, status in self.executions.items()
                if arn.startswith(prefix)
                for started in [self.execution_starts[arn]]
            ]
            return self._page(found[::-1], token)

    def execution_status(self, execution: str) -> str:
        with self._call("execution_status"):
            if execution not in self.executions:
                operation, code = "DescribeExecution", "ExecutionDoesNotExist"
                raise ServiceError(operation, code, "", Kind.NOT_FOUND)
            return self.executions[execution]

    def stop_execution(self, execution: str) -> None:
        with self._call("stop_execution"):
            if execution not in self.executions:
                raise ServiceError("StopExecution", "ExecutionDoesNotExist", "", Kind.NOT_FOUND)
            if self.executions[execution] == "RUNNING":
                self.executions[execution] = "ABORTED"

    def read_metrics(self, archive: Location) -> Mapping[str, int | float]:
        with self._call("read_metrics"):
            of_jobs = {self._results_key(job): arn for arn, job in self.jobs.items()}
            return self.metrics.get(of_jobs.get(archive.uri, ""), {})

    @staticmethod
    def _results_key(job: FakeJob) -> str:
        output = job.request["outputDataConfig"]
        assert isinstance(output, dict)
        return f"{output['s3Path']}/output/model.tar.gz"

    def accepts_answers(self, url: str) -> bool:
        return url.startswith("https:")

    def put_answer(self, url: str, body: bytes) -> int:
        assert url.startswith("http")
        with self._call("put_answer"):
            assert len(body) <= 4096
            status = self.answer_statuses.pop(0) if self.answer_statuses else 200
            if status == 200:
                self.answers.append(json.loads(body))
            return status

    def _known(self, arn: str, operation: str) -> FakeJob:
        job = self.jobs.get(arn)
        if job is None or self.time - job.created < self.appears_after:
            raise ServiceError(operation, "ResourceNotFoundException", "", Kind.NOT_FOUND)
        self._advance(job)
        return job

    def _advance(self, job: FakeJob) -> None:
        if job.cancel_at is not None and self.time >= job.cancel_at and job.status not in FINAL:
            job.status = CANCELLED
        if job.ends_at is not None and self.time >= job.ends_at and job.status not in FINAL:
            job.status = job.ends_as

    def invoke_again(self, function_arn: str, event: Mapping[str, object]) -> None:
        assert function_arn == Context.invoked_function_arn
        with self._call("invoke_again"):
            self.invoked.append(json.loads(json.dumps(event)))

    def _call(self, name: str) -> "_Call":
        return _Call(self, name)


def _iso(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


@dataclass
class _Call:
    world: World
    name: str
    number: int = 0

    def __enter__(self) -> None:
        self.number = len(self.world.calls)
        self.world.calls.append(self.name)
        self.world.time += 0.05
        self.world.before(self.name, self.number)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.world.after(self.name, self.number)


@dataclass
class Context:
    """Lambda's context: the function may run this long from now."""

    world: World
    seconds: float = 900.0
    invoked_function_arn: str = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:handler"

    def __post_init__(self) -> None:
        self._ends = self.world.time + self.seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(self._ends - self.world.time, 0) * 1000)


def request(**changes: object) -> dict[str, object]:
    """A CreateJob request as the constructs write it."""
    place = contract.RUN_ID_PLACEHOLDER
    return {
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": "algo:main",
                "s3Uri": "s3://amazon-braket-inputs/scripts/abc/source.tar.gz",
                "compressionType": "GZIP",
            }
        },
        "outputDataConfig": {"s3Path": f"s3://amazon-braket-results/jobs/vqe/{place}"},
        "checkpointConfig": {"s3Uri": f"s3://amazon-braket-results/jobs/vqe/{place}/checkpoints"},
        "jobName": f"vqe-{place}",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/job",
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
        "deviceConfig": {"device": "local:braket/default"},
        "hyperParameters": {"shots": "100"},
        **changes,
    }


def properties(
    definition: str = "A",
    tags: Mapping[str, str] | None = None,
    on_delete: OnDelete = OnDelete.CANCEL_JOB,
) -> dict[str, object]:
    """Properties of the resource; `definition` distinguishes definitions."""
    return {
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:handler",
        Property.REQUEST: json.dumps(request(hyperParameters={"definition": definition})),
        Property.TAGS: json.dumps(tags if tags is not None else {"team": "quantum"}),
        Property.ASSETS: json.dumps({"cdk-assets": {"abc.tar.gz": "scripts/abc/source.tar.gz"}}),
        Property.ON_DELETE: on_delete,
        Property.RECORDS: RECORDS,
    }


def as_nested(given: Mapping[str, object]) -> dict[str, object]:
    """Properties in JSON strings, as earlier releases wrote them, as CloudFormation sends them now.

    Every number and bool is a string then.
    """
    made = dict(given)
    request_now = nested("CreateJobRequest", json.loads(str(given[Property.REQUEST])), json.dumps)
    made[Property.REQUEST] = as_strings(request_now)
    made[Property.TAGS] = json.loads(str(given[Property.TAGS]))
    assets = json.loads(str(given[Property.ASSETS]))
    made[Property.ASSETS] = [{"Bucket": name, "Objects": each} for name, each in assets.items()]
    if Property.WAIT_FOR_COMPLETION in given:
        wait = json.loads(str(given[Property.WAIT_FOR_COMPLETION]))
        renamed = {name[:1].upper() + name[1:]: value for name, value in wait.items()}
        made[Property.WAIT_FOR_COMPLETION] = as_strings(renamed)
    if Property.ENCRYPTION in given:
        buckets = json.loads(str(given[Property.ENCRYPTION]))
        keys = {
            name: {"Key": each["key"]} if "key" in each else {} for name, each in buckets.items()
        }
        made[Property.ENCRYPTION] = [{"Bucket": name, **key} for name, key in keys.items()]
    return made


def as_strings(value: object) -> object:
    """A value as CloudFormation sends it to the function of a custom resource."""
    if isinstance(value, dict):
        return {key: as_strings(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_strings(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


@dataclass
class Stack:
    """CloudFormation's part: creates events, and keeps the physical id of the response."""

    world: World
    stack_id: str = STACK
    physical_id: str = ""
    props: Mapping[str, object] = field(default_factory=dict)
    dated: bool = True
    seconds: float = 900.0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def event(
        self,
        kind: str,
        props: Mapping[str, object],
        physical_id: str | None = None,
        old: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        number = next(self._numbers)
        self.world.time += 10
        event: dict[str, object] = {
            "RequestType": kind,
            "RequestId": f"request-{number}",
            "ResponseURL": self._url(number),
            "StackId": self.stack_id,
            "LogicalResourceId": LOGICAL,
            "ResourceType": contract.RESOURCE_TYPE,
            "ResourceProperties": props,
        }
        if physical_id is not None:
            event["PhysicalResourceId"] = physical_id
        if old is not None:
            event["OldResourceProperties"] = old
        return event

    def _url(self, number: int) -> str:
        import time

        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.world.time))
        signed = f"&X-Amz-Date={date}&X-Amz-Expires=7200" if self.dated else ""
        return f"https://cfn-response.s3.amazonaws.com/answer?n={number}{signed}&X-Amz-Signature=s"

    def send(self, event: Mapping[str, object]) -> dict[str, object]:
        """Deliver an event once; return the answer."""
        before = len(self.world.answers)
        self.world.invoked.append(event)
        while self.world.invoked:
            again = self.world.invoked.pop(0)
            index.respond_to(again, Context(self.world, self.seconds), self.world)
        [answer] = self.world.answers[before:]
        return answer

    def create(self, props: Mapping[str, object]) -> dict[str, object]:
        answer = self.send(self.event("Create", props))
        return self._held(answer, props)

    def update(self, props: Mapping[str, object]) -> dict[str, object]:
        answer = self.send(self.event("Update", props, self.physical_id, self.props))
        return self._held(answer, props)

    def delete(
        self, physical_id: str | None = None, props: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        target = self.physical_id if physical_id is None else physical_id
        return self.send(self.event("Delete", self.props if props is None else props, target))

    def replace_with(self, props: Mapping[str, object]) -> dict[str, object]:
        """A whole deployment of an update: the event, and the clean-up of the replaced job."""
        old_id, old_props = self.physical_id, self.props
        answer = self.update(props)
        if answer["Status"] == "SUCCESS" and answer["PhysicalResourceId"] != old_id:
            self.delete(old_id, old_props)
        return answer

    def _held(self, answer: dict[str, object], props: Mapping[str, object]) -> dict[str, object]:
        if answer["Status"] == "SUCCESS":
            self.physical_id = str(answer["PhysicalResourceId"])
            self.props = props
        return answer


__all__ = [
    "CANCELLED",
    "COMPLETED",
    "FAILED",
    "Context",
    "FakeJob",
    "Killed",
    "Stack",
    "World",
    "properties",
    "replace",
    "request",
]
