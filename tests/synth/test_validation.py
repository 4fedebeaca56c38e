"""Errors that are reported before anything is created, and their form."""

from pathlib import Path

import pytest
from aws_cdk import Duration, Size, Token
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from cdk_braket import (
    AlgorithmScript,
    CheckpointSource,
    ContainerImage,
    Device,
    Distribution,
    HybridJob,
    InputChannel,
    InstanceConfig,
    InstanceType,
    PreflightCheck,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs.api import model_rules
from tests.synth.support import LOCAL, argument_of, new_stack, request_of, script


def _refused(**options: object) -> ValidationError:
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    with pytest.raises(ValidationError) as caught:
        HybridJob(new_stack(), "Job", **everything)  # type: ignore[arg-type]  # one way for all
    return caught.value


def test_an_error_has_path_property_value_rule_and_fix() -> None:
    bounds = model_rules.bounds(
        model_rules.shape_of("CreateJobRequest", "stoppingCondition", "maxRuntimeInSeconds")
    )
    assert bounds.maximum
    days = bounds.maximum // (24 * 60 * 60)
    longer = Duration.days(days + 1)
    error = _refused(max_runtime=longer)
    assert str(error) == (
        f"[Stack/Job] max_runtime: expected {bounds.minimum} s to {bounds.maximum} s "
        f"({days} days), got {longer.to_seconds():.0f} s. Use Duration.days({days}) or less."
    )


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    error = _refused(
        algorithm=AlgorithmScript.from_asset(tmp_path / "missing", entry_point="a:b"),
        device=Device.IQM_GARNET,
        hyperparameters={"empty": "", "sagemaker_instance_type": "ml.m5.large"},
        input_data={"a b": InputChannel.from_s3_uri("nowhere")},
        instance=InstanceConfig(volume_size=Size.mebibytes(100), instance_count=0),
        max_runtime=Duration.millis(1500),
        job_name="-",
        reservation_arn="r",
    )
    starts = sorted(argument_of(problem) for problem in error.problems)
    assert starts == [
        "algorithm",
        "device",
        "hyperparameters['empty']",
        "hyperparameters['sagemaker_instance_type']",
        "input_data",
        "input_data['a b']",
        "instance.instance_count",
        "instance.volume_size",
        "job_name",
        "max_runtime",
        "reservation_arn",
    ]


def test_a_hyperparameters_value_is_never_shown() -> None:
    canary = "canary" * 500
    error = _refused(hyperparameters={"h": canary, "password": "canary-hunter2"})
    assert len(error.problems) == 2
    assert "canary" not in str(error)
    assert "canary" not in repr(error)


@pytest.mark.parametrize("value", [None, ["a"], {"a": "b"}, b"a"])
def test_a_hyperparameter_of_another_type_is_an_error(value: object) -> None:
    [problem] = _refused(hyperparameters={"h": value}).problems
    assert "hyperparameters['h']: expected a string, a number or a bool, got " in problem


@pytest.mark.parametrize("distribution", [None, Distribution.DATA_PARALLEL])
def test_a_key_that_a_property_owns_is_refused_even_when_it_is_off(
    distribution: Distribution | None,
) -> None:
    [problem] = _refused(
        hyperparameters={"sagemaker_distributed_dataparallel_enabled": "true"},
        distribution=distribution,
    ).problems
    assert "belongs to distribution" in problem


def test_a_script_or_an_image_is_required() -> None:
    [problem] = _refused(image=None).problems
    assert problem.startswith("algorithm: a script or an image is needed")


@pytest.mark.parametrize("key", ["", "folder/"])
def test_a_scripts_prefix_is_refused_as_it_would_fail_in_the_container(key: str) -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    source = AlgorithmScript.from_bucket(bucket, key, entry_point="algo:run")
    [problem] = _refused(algorithm=source).problems
    assert "is a prefix" in problem


@pytest.mark.parametrize(
    ("entry_point", "expected"),
    [
        ("algo.py", "not a file. Use entry_point='algo:main'."),
        ("pkg/algo.py:run", "not a file. Use entry_point='pkg.algo:run'."),
        (":run", "it names no module. "),
        ("pkg..algo:run", "it names no module. "),
        ("algo:", "it names no function. "),
        ("algo:a.b", "it names no function. "),
    ],
)
def test_an_entry_point_of_a_script_in_s3_is_checked_by_its_form(
    entry_point: str, expected: str
) -> None:
    bucket = s3.Bucket.from_bucket_name(new_stack(), "Bucket", "amazon-braket-mine")
    source = AlgorithmScript.from_bucket(bucket, "a.tar.gz", entry_point=entry_point)
    [problem] = _refused(algorithm=source).problems
    assert expected in problem
    assert problem.endswith("(check entry-point)")
    HybridJob(
        new_stack(),
        "Job",
        algorithm=source,
        device=LOCAL,
        disabled_checks=[PreflightCheck.ENTRY_POINT],
    )


@pytest.mark.parametrize(
    "uri", ["nowhere", "s3://", "https://abc.s3.us-east-1.amazonaws.com/b", ""]
)
def test_checkpoints_to_go_on_from_are_at_an_s3_uri(uri: str) -> None:
    [problem] = _refused(copy_checkpoints_from=CheckpointSource.from_s3_uri(uri)).problems
    assert problem.startswith(
        f"copy_checkpoints_from: expected s3://bucket/prefix, got {uri!r}. Use "
    )


_NO_BUCKETS = [
    "*",
    "amazon-braket-*",
    "amazon-braket-?",
    "${aws:username}",
    "Amazon-Braket-Mine",
    "amazon_braket",
    "ab",
    "a" * 64,
    "-mine",
    "mine.",
    "mine ",
]


@pytest.mark.parametrize("name", _NO_BUCKETS)
def test_a_bucket_that_s3_cannot_have_is_refused_wherever_it_is_read(name: str) -> None:
    uri = f"s3://{name}/a"
    error = _refused(
        input_data={
            "s3": InputChannel.from_s3_uri(uri),
            "https": InputChannel.from_s3_uri(f"https://{name}.s3.us-east-1.amazonaws.com/a"),
            "path": InputChannel.from_s3_uri(f"https://s3.us-east-1.amazonaws.com/{name}/a"),
            "partly": InputChannel.from_s3_uri(f"{uri}{Token.as_string({'Ref': 'P'})}"),
        },
        copy_checkpoints_from=CheckpointSource.from_s3_uri(uri),
    )
    owners = [argument_of(problem) for problem in error.problems]
    assert owners == [
        *(f"input_data['{channel}']" for channel in ("s3", "https", "path", "partly")),
        "copy_checkpoints_from",
    ]
    assert all("expected 3 to 63 lower-case letters" in problem for problem in error.problems)
    assert f"got {uri!r}." in error.problems[0]


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1.a-b.2"])
def test_a_valid_bucket_name_is_accepted(name: str) -> None:
    _warnings(input_data={"c": InputChannel.from_s3_uri(f"s3://{name}/a")})


def test_checkpoints_of_a_job_with_only_a_known_arn_are_unknown() -> None:
    arn = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab"
    job = HybridJob.from_hybrid_job_arn(new_stack(), "Other", arn)
    expected = "checkpoint_s3_uri: cannot be derived from a job's ARN"
    with pytest.raises(ValidationError, match=expected):
        CheckpointSource.from_job(job)


def test_tokens_are_left_to_the_handler() -> None:
    token = Token.as_string({"Ref": "P"})
    stack = new_stack()
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.from_uri(token),
        device=Device.from_arn(token),
        hyperparameters={"h": token, "n": Token.as_number({"Ref": "P"}), token: "v"},
        job_name=token,
        max_runtime=Duration.seconds(Token.as_number({"Ref": "P"})),
        reservation_arn=token,
    )
    later = "<{'Ref': 'P'}>"
    request = request_of(stack)
    assert request["algorithmSpecification"] == {"containerImage": {"uri": later}}
    assert request["deviceConfig"] == {"device": later}
    assert request["hyperParameters"] == {"h": later, "n": later, later: "v"}
    assert request["jobName"] == later
    assert request["stoppingCondition"] == {"maxRuntimeInSeconds": later}
    assert request["associations"] == [{"arn": later, "type": "RESERVATION_TIME_WINDOW_ARN"}]


def test_the_preflight_refuses_a_script_that_would_fail(tmp_path: Path) -> None:
    algorithm = script(tmp_path, "def main(shots: bool): pass\n")
    error = _refused(algorithm=algorithm, hyperparameters={"shots": True})
    [problem] = error.problems
    assert problem.endswith("(check bool-arguments)")


def test_a_function_without_the_arguments_of_distribution_is_reported_with_the_reason(
    tmp_path: Path,
) -> None:
    algorithm = script(tmp_path, "def main(shots: int): pass\n")
    error = _refused(
        algorithm=algorithm,
        hyperparameters={"shots": 1},
        distribution=Distribution.DATA_PARALLEL,
    )
    assert len(error.problems) == 2
    assert all("It comes with distribution: accept **hyper" in text for text in error.problems)


def test_a_check_can_be_turned_off_by_its_name(tmp_path: Path) -> None:
    algorithm = script(tmp_path, "def main(shots: bool): pass\n")
    options: dict[str, object] = {"algorithm": algorithm, "hyperparameters": {"shots": True}}
    [problem] = _refused(**options).problems
    assert problem.endswith("(check bool-arguments)")
    [same] = _refused(**options, disabled_checks=[PreflightCheck.IMPORTS]).problems
    assert same == problem
    stack = new_stack()
    HybridJob(
        stack,
        "Job",
        algorithm=algorithm,
        hyperparameters={"shots": True},
        device=LOCAL,
        disabled_checks=[PreflightCheck.BOOL_ARGUMENTS],
    )
    assert request_of(stack)["hyperParameters"] == {"shots": "True"}


def test_a_credential_is_refused_without_a_script_too() -> None:
    [problem] = _refused(hyperparameters={"key": "AKIAIOSFODNN7EXAMPLE"}).problems
    assert "looks like an AWS access key id" in problem
    HybridJob(
        new_stack(),
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={"key": "AKIAIOSFODNN7EXAMPLE"},
        disabled_checks=[PreflightCheck.CREDENTIALS],
    )


def _warnings(**options: object) -> list[str]:
    stack = new_stack()
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    HybridJob(stack, "Job", **everything)  # type: ignore[arg-type]  # one way for all
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return [str(message.entry.data) for message in found]


def test_an_instance_type_newer_than_the_model_is_a_warning() -> None:
    newer = InstanceConfig(instance_type=InstanceType.of("ml.m9.large"))
    [warning] = _warnings(instance=newer)
    assert "instance.instance_type='ml.m9.large': is not in the service model" in warning
    assert "[ack: cdk-braket:instance-type]" in warning
    assert _warnings() == []


def test_a_bucket_that_braket_may_not_reach_is_a_warning() -> None:
    [warning] = _warnings(input_data={"c": InputChannel.from_s3_uri("s3://mine/data")})
    assert "begins with amazon-braket-" in warning
    assert _warnings(input_data={"c": InputChannel.from_s3_uri("s3://amazon-braket-a/b")}) == []


def test_a_braket_image_where_there_is_none_is_an_error_and_another_image_a_warning() -> None:
    stack = new_stack(region="eu-central-1")
    with pytest.raises(ValidationError, match="region 'eu-central-1': Amazon Braket has no"):
        HybridJob(stack, "Job", image=ContainerImage.pytorch(), device=LOCAL)
    image = ContainerImage.from_uri("111122223333.dkr.ecr.eu-central-1.amazonaws.com/mine:v1")
    HybridJob(stack, "Job", image=image, device=LOCAL)
    [warning] = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert "not known to run hybrid jobs in eu-central-1" in str(warning.entry.data)
