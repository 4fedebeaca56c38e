"""Arguments of another type, as those pass who run no type checker: told, not stumbled over."""

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
from cdk_braket.validation.argument_types import _KINDS
from tests.docs import arguments
from tests.synth.support import LOCAL, new_stack, request_of

# Arguments that are checked elsewhere: by the model's rules, and by jsii.
_ELSEWHERE = {"job_name", "reservation_arn", "removal_policy"}


def _declare(**options: object) -> dict[str, object]:
    stack = new_stack()
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    HybridJob(stack, "Job", **everything)  # type: ignore[arg-type]  # that is what is tested
    return dict(request_of(stack))


def _refused(**options: object) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        _declare(**options)
    return caught.value.problems


@pytest.mark.parametrize("name", [name for name in _KINDS if "." not in name])
def test_an_argument_of_another_type_is_told_with_the_way_out(name: str) -> None:
    [problem] = _refused(**{name: 3.5})
    assert problem.startswith(f"{name}: must be ")
    assert ", is of type float. " in problem


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"device": "local:braket/default"},
            "device='local:braket/default': must be a Device. Use a constant of Device, Device.fr",
        ),
        ({"device": None}, "device: must be a Device, is of type NoneType. "),
        (
            {"instance": InstanceConfig(instance_type="ml.m5.large")},  # type: ignore[arg-type]  # wrong
            "instance.instance_type='ml.m5.large': must be an InstanceType. ",
        ),
        (
            {"instance": InstanceConfig(volume_size=30)},  # type: ignore[arg-type]  # wrong
            "instance.volume_size: must be a Size, is of type int. Use Size.gibibytes(…).",
        ),
        ({"instance": InstanceType.M5_LARGE}, "instance: must be an InstanceConfig, is of type "),
        ({"output_data": OutputData(bucket="b")}, "output_data.bucket='b': must be an s3.IBucket."),  # type: ignore[arg-type]  # wrong
        ({"checkpoint": Checkpoint(prefix=3)}, "checkpoint.prefix: must be a str, is of type int."),  # type: ignore[arg-type]  # wrong
        ({"input_data": {"a": "s3://b/c"}}, "input_data['a']='s3://b/c': must be an InputChannel."),
        ({"hyperparameters": {1: "a"}}, "hyperparameters: must be a str, is of type int."),
        ({"distribution": "model_parallel"}, "distribution='model_parallel': must be a Distrib"),
        ({"disabled_checks": ["import"]}, "disabled_checks: must be a list of PreflightCheck, "),
    ],
)
def test_what_is_usually_confused_is_told(options: dict[str, object], problem: str) -> None:
    [told] = _refused(**options)
    assert told.startswith(problem)


def test_all_of_them_are_told_at_once_and_nothing_is_created() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as caught:
        HybridJob(stack, "Job", device="a", max_runtime=3600, tags=["b"])  # type: ignore[arg-type]  # wrong
    assert [problem[:4] for problem in caught.value.problems] == ["devi", "max_", "tags"]
    assert stack.node.children == []


def test_no_argument_is_left_out() -> None:
    checked = {name.partition(".")[0] for name in _KINDS}
    assert checked | _ELSEWHERE == set(arguments.names())
    assert all(arguments.exists(name) for name in _KINDS)


def test_a_distribution_may_be_its_text_as_in_the_sdk() -> None:
    made = _declare(distribution="data_parallel")
    assert made == _declare(distribution=Distribution.DATA_PARALLEL)
    assert made != _declare()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 1e300, 10**30, 5e-324])
def test_any_number_is_rendered_as_the_sdk_renders_it(value: float) -> None:
    assert _declare(hyperparameters={"a": value})["hyperParameters"] == {"a": str(value)}


def test_a_count_that_is_no_number_is_refused() -> None:
    [problem] = _refused(instance=InstanceConfig(instance_count=float("nan")))
    assert problem.startswith("instance.instance_count=nan: must be a whole number")
