"""Each constraint of CreateJob, offered through the public constructs at and around its bound.

The verdict that ours is compared with is worked out here from the model, by other code than the
constructs use. Every member of CreateJobRequest has to have a way in.
"""

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from aws_cdk import App, Duration, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import cdk_braket
from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    ContainerImage,
    Device,
    HybridJob,
    InputChannel,
    InstanceConfig,
    OutputData,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs.api.service_model import Shape
from cdk_braket.request.create_job import SURFACE
from cdk_braket.validation.messages import property_at
from tests.create_job import EACH, KEYS, Path, members
from tests.synth.support import LOCAL

_BUCKET: Final = "amazon-braket-mine"

_MEMBERS: Final = members()


class _Fixture:
    """A stack, and the way in which values reach it."""

    def __init__(self) -> None:
        self.stack = Stack(App(), "S")
        self.bucket = s3.Bucket.from_bucket_name(self.stack, "Bucket", _BUCKET)

    def job(self, **options: object) -> None:
        everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
        HybridJob(self.stack, "Job", **everything)  # type: ignore[arg-type]  # one way for all


@dataclass(frozen=True)
class _Way:
    """How a value of one member is offered.

    Attributes:
        offer: Creates a job with the value.
        sized: Creates a value of a size that matches the member's pattern, if it has one.
        odd: Values that are of a right size and do not match the pattern.
        least: The least size that can be offered at all.
    """

    offer: Callable[[_Fixture, object], None]
    sized: Callable[[int], object] = lambda size: "a" * size
    odd: tuple[str, ...] = ()
    least: int = 0


def _padded(start: str) -> Callable[[int], object]:
    return lambda size: start + "a" * (size - len(start))


def _role(fixture: _Fixture, arn: object) -> None:
    fixture.job(role=iam.Role.from_role_arn(fixture.stack, "Role", str(arn)))


def _script(fixture: _Fixture, uri: object) -> None:
    key = str(uri).removeprefix(f"s3://{_BUCKET}/")
    fixture.job(algorithm=AlgorithmScript.from_bucket(fixture.bucket, key, entry_point="algo:run"))


def _key(fixture: _Fixture, arn: object) -> None:
    key = kms.Key.from_key_arn(fixture.stack, "Key", str(arn))
    fixture.job(output_data=OutputData(encryption_key=key))


_RUN: Final = "/RUNID0000000/data"
_CHECKPOINTS: Final = "/RUNID0000000/checkpoints"


def _run_prefix(uri: object, end: str) -> str:
    return str(uri).removeprefix(f"s3://{_BUCKET}/").removesuffix(end)


def _run_uri(end: str) -> Callable[[int], object]:
    start = f"s3://{_BUCKET}/"
    return lambda size: start + "a" * (size - len(start) - len(end)) + end


def _output(fixture: _Fixture, uri: object) -> None:
    fixture.job(output_data=OutputData(bucket=fixture.bucket, prefix=_run_prefix(uri, _RUN)))


def _checkpoint(fixture: _Fixture, uri: object) -> None:
    prefix = _run_prefix(uri, _CHECKPOINTS)
    fixture.job(checkpoint=Checkpoint(bucket=fixture.bucket, prefix=prefix))


def _channels(fixture: _Fixture, count: object) -> None:
    assert isinstance(count, int)
    fixture.job(input_data={f"c{i}": InputChannel.from_s3_uri("s3://abc/k") for i in range(count)})


def _hyperparameters(fixture: _Fixture, count: object) -> None:
    assert isinstance(count, int)
    fixture.job(hyperparameters={f"h{i}": i for i in range(count)})


def _itself(size: int) -> object:
    return size


_S3: Final = ("inputDataConfig", EACH, "dataSource", "s3DataSource", "s3Uri")
_SCRIPT: Final = ("algorithmSpecification", "scriptModeConfig", "s3Uri")
_IMAGE: Final = ("algorithmSpecification", "containerImage", "uri")
_RESERVATION: Final = "arn:aws:braket:us-east-1:111122223333:reservation/r"

_WAYS: Final[Mapping[Path, _Way]] = {
    ("jobName",): _Way(
        lambda f, v: f.job(job_name=v), odd=("-a", "a-", "a_b", "a b", "ä", "a\n", "٣")
    ),
    ("roleArn",): _Way(
        _role,
        lambda _: "arn:aws:iam::111122223333:role/service-role/a",
        odd=("arn:aws:iam::1:role/a", "arn:aws:iam::111122223333:user/a"),
    ),
    _SCRIPT: _Way(_script, _padded(f"s3://{_BUCKET}/"), least=len(_BUCKET) + 7),
    _IMAGE: _Way(
        lambda f, v: f.job(image=ContainerImage.from_uri(str(v))),
        _padded("111122223333.dkr.ecr.us-east-1.amazonaws.com/a:"),
        odd=("a", "docker.io/a:latest", "1.dkr.ecr.us-east-1.amazonaws.com/a:v1"),
        least=len("111122223333.dkr.ecr.us-east-1.amazonaws.com/a:") + 1,
    ),
    ("inputDataConfig",): _Way(_channels, _itself),
    ("inputDataConfig", EACH, "channelName"): _Way(
        lambda f, v: f.job(input_data={v: InputChannel.from_s3_uri("s3://abc/k")}),
        odd=("a b", "a/b", "ä"),
    ),
    ("inputDataConfig", EACH, "contentType"): _Way(
        lambda f, v: f.job(
            input_data={"c": InputChannel.from_s3_uri("s3://abc/k", content_type=str(v))}
        )
    ),
    _S3: _Way(
        lambda f, v: f.job(input_data={"c": InputChannel.from_s3_uri(str(v))}),
        _padded("s3://abc/"),
        odd=("", "a", "./data", "S3://abc/k", "http://abc/k", "s3://abc/a\nb"),
        least=7,
    ),
    ("outputDataConfig", "kmsKeyId"): _Way(
        _key,
        _padded("arn:aws:kms:us-east-1:111122223333:key/"),
        least=len("arn:aws:kms:us-east-1:111122223333:key/") + 1,
    ),
    ("outputDataConfig", "s3Path"): _Way(
        _output, _run_uri(_RUN), least=len(f"s3://{_BUCKET}/{_RUN}") + 1
    ),
    ("checkpointConfig", "s3Uri"): _Way(
        _checkpoint, _run_uri(_CHECKPOINTS), least=len(f"s3://{_BUCKET}/{_CHECKPOINTS}") + 1
    ),
    ("checkpointConfig", "localPath"): _Way(
        lambda f, v: f.job(checkpoint=Checkpoint(local_path=str(v)))
    ),
    ("stoppingCondition", "maxRuntimeInSeconds"): _Way(
        lambda f, v: f.job(max_runtime=Duration.seconds(float(str(v)))), _itself
    ),
    ("instanceConfig", "volumeSizeInGb"): _Way(
        lambda f, v: f.job(instance=InstanceConfig(volume_size=Size.gibibytes(float(str(v))))),
        _itself,
    ),
    ("instanceConfig", "instanceCount"): _Way(
        lambda f, v: f.job(instance=InstanceConfig(instance_count=int(str(v)))), _itself, least=-9
    ),
    ("hyperParameters",): _Way(_hyperparameters, _itself),
    ("hyperParameters", KEYS): _Way(lambda f, v: f.job(hyperparameters={v: "a"})),
    ("hyperParameters", EACH): _Way(
        lambda f, v: f.job(hyperparameters={"h": v}), odd=("a\nb", "\n")
    ),
    ("deviceConfig", "device"): _Way(
        lambda f, v: f.job(device=Device.from_arn(str(v))), _padded("local:a/"), least=9
    ),
    ("associations", EACH, "arn"): _Way(
        lambda f, v: f.job(reservation_arn=v),
        lambda _: _RESERVATION,
        odd=("a", "arn:aws:braket:us-east-1:1:reservation/r", "arn:aws:s3:::b"),
    ),
}

# Members that no value of the user's reaches: made here, checked elsewhere, or without constraint.
_NO_WAY: Final = {
    ("clientToken",): "derived by the handler",
    ("associations",): "there is one, or none",
    ("associations", EACH, "type"): "there is one",
    ("algorithmSpecification", "scriptModeConfig", "compressionType"): "Compression is closed",
    ("instanceConfig", "instanceType"): "a newer one is a warning",
}


def _is_constrained(found: Shape) -> bool:
    bounds = (found.minimum, found.maximum, found.pattern)
    return any(bound is not None for bound in bounds) or bool(found.enum)


def _right(found: Shape, value: object) -> bool:
    """The model's verdict."""
    size = value if isinstance(value, int) else len(str(value))
    if found.minimum is not None and size < found.minimum:
        return False
    if found.maximum is not None and size > found.maximum:
        return False
    pattern = found.pattern
    return pattern is None or bool(re.fullmatch(pattern, str(value), re.ASCII))


def _cases() -> Iterator[tuple[Path, object]]:
    for path, way in _WAYS.items():
        found = _MEMBERS[path]
        bounds = [bound for bound in (found.minimum, found.maximum) if bound is not None]
        sizes = {bound + step for bound in bounds for step in (-1, 0, 1)} or {9}
        for size in sorted(sizes):
            if size >= way.least and size >= 0:
                yield path, way.sized(size)
        for value in way.odd:
            yield path, value


@pytest.mark.parametrize(
    ("path", "value"),
    list(_cases()),
    ids=lambda x: ".".join(x) if isinstance(x, tuple) else f"{str(x)[:12]}~{len(str(x))}",
)
def test_our_verdict_is_the_models(path: Path, value: object) -> None:
    offered = _Fixture()
    if _right(_MEMBERS[path], value):
        _WAYS[path].offer(offered, value)
    else:
        with pytest.raises(ValidationError) as caught:
            _WAYS[path].offer(offered, value)
        assert len(caught.value.problems) == 1


def test_every_constraint_of_create_job_has_a_way_in() -> None:
    constrained = {path for path, found in _MEMBERS.items() if _is_constrained(found)}
    assert constrained <= set(_WAYS) | set(_NO_WAY)
    assert not set(_WAYS) & set(_NO_WAY)


def test_every_member_of_create_job_has_a_property() -> None:
    members = {path for path in _MEMBERS if KEYS not in path}
    assert set(SURFACE) == members
    for path in members:
        assert property_at(path) is SURFACE[path]


def test_an_argument_of_the_request_stands_in_two_files() -> None:
    """Adding one changes these two and its test: see CONTRIBUTING.md."""
    sources = pathlib.Path(cdk_braket.__file__).parent
    found = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        if "reservation_arn" in path.read_text("utf-8")
    }
    assert found == {"jobs/hybrid_job.py", "request/create_job.py"}
