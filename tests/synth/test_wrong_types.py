"""Arguments of another type, as users without a type checker pass them: one error names all."""

from datetime import timedelta

import pytest

from cdk_braket import (
    Checkpoint,
    ContainerImage,
    Distribution,
    HybridJob,
    InstanceConfig,
    InstanceType,
    OutputData,
    ValidationError,
)
from tests import public_api
from tests.synth.support import LOCAL, new_stack, request_of


def _declare(**options: object) -> dict[str, object]:
    stack = new_stack()
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    HybridJob(stack, "Job", **everything)  # type: ignore[arg-type]  # the test passes a wrong type
    return dict(request_of(stack))


def _refused(**options: object) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        _declare(**options)
    return caught.value.problems


@pytest.mark.parametrize("name", public_api.arguments())
def test_an_argument_of_another_type_is_refused_with_its_fix(name: str) -> None:
    """From the signature: a new argument is tested without a further line."""
    found = [text for text in _refused(**{name: 3.5j}) if text.startswith(f"{name}: ")]
    assert len(found) == 1
    assert ", got complex. Use " in found[0]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"device": "SV1"}, "device='SV1': expected a Device, got a string. Use a constant of De"),
        (
            {"device": "local:a/b"},
            "device='local:a/b': expected a Device, got a string. Use Device.local('a/b').",
        ),
        (
            {"device": "arn:x"},
            "device='arn:x': expected a Device, got a string. Use Device.from_arn('arn:x').",
        ),
        ({"device": None}, "device: expected a Device, got None. "),
        (
            {"max_runtime": 3600},
            ("max_runtime: expected a Duration, got int. Use Duration.seconds(3600), or omit it."),
        ),
        (
            {"max_runtime": timedelta(hours=1)},
            "max_runtime: expected a Duration, got timedelta. Use Duration.seconds(3600)",
        ),
        (
            {"instance": InstanceConfig(instance_type="ml.m5.large")},  # type: ignore[arg-type]  # wrong
            (
                "instance.instance_type='ml.m5.large': expected an InstanceType, got a "
                "string. Use InstanceType.of("
            ),
        ),
        (
            {"instance": InstanceConfig(volume_size=30)},  # type: ignore[arg-type]  # wrong
            "instance.volume_size: expected a Size, got int. Use Size.gibibytes(30).",
        ),
        (
            {"instance": InstanceType.M5_LARGE},
            "instance: expected an InstanceConfig, got InstanceType. ",
        ),
        (
            {"output_data": OutputData(bucket="b")},  # type: ignore[arg-type]  # wrong
            (
                "output_data.bucket='b': expected an s3.IBucket, got a string. Use "
                "s3.Bucket.from_bucket_name(self, 'Id', 'b')"
            ),
        ),
        ({"checkpoint": Checkpoint(prefix=3)}, "checkpoint.prefix: expected a string, got int."),  # type: ignore[arg-type]  # wrong
        (
            {"input_data": {"a": "s3://b/c"}},
            (
                "input_data['a']='s3://b/c': expected an InputChannel, got a string. Use "
                "InputChannel.from_s3_uri('s3://b/c')."
            ),
        ),
        ({"hyperparameters": {1: "a"}}, "hyperparameters[int]: expected a string as key, got int."),
        ({"distribution": "model_parallel"}, "distribution='model_parallel': expected a Distrib"),
        (
            {"disabled_checks": ["import"]},
            "disabled_checks[0]='import': expected a PreflightCheck, got a string.",
        ),
        (
            {"disabled_checks": "imports"},
            (
                "disabled_checks='imports': expected a list of PreflightCheck, got a "
                "string. Use ['imports']."
            ),
        ),
        (
            {"removal_policy": "destroy"},
            (
                "removal_policy='destroy': expected a RemovalPolicy, got a string. Use "
                "RemovalPolicy.DESTROY"
            ),
        ),
        (
            {"role": "arn:r"},
            (
                "role='arn:r': expected an iam.IRole, got a string. Use "
                "iam.Role.from_role_arn(self, 'Id', 'arn:r')"
            ),
        ),
    ],
)
def test_a_usual_confusion_is_refused_with_the_code_to_write(
    options: dict[str, object], problem: str
) -> None:
    [found] = _refused(**options)
    assert found.startswith(problem)


def test_all_of_them_come_at_once_and_nothing_is_created() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as caught:
        HybridJob(stack, "Job", device="a", max_runtime=3600, tags=["b"])  # type: ignore[arg-type]  # wrong
    starts = sorted(problem[:4] for problem in caught.value.problems)
    assert starts == ["algo", "devi", "max_", "tags"]
    assert stack.node.children == []


def test_a_distribution_may_be_a_string_as_in_the_sdk() -> None:
    made = _declare(distribution="data_parallel")
    assert made == _declare(distribution=Distribution.DATA_PARALLEL)
    assert made != _declare()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 1e300, 10**30, 5e-324])
def test_any_number_is_rendered_as_the_sdk_renders_it(value: float) -> None:
    assert _declare(hyperparameters={"a": value})["hyperParameters"] == {"a": str(value)}


def test_a_count_that_is_no_number_is_refused() -> None:
    [problem] = _refused(instance=InstanceConfig(instance_count=float("nan")))
    assert problem.startswith("instance.instance_count=nan: expected a whole number, got ")
