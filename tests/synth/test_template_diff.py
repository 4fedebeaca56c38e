"""The resource of a job in the template: readable, small, and with a digest of its definition."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from aws_cdk import App, CfnParameter, CfnResource, Duration, Environment, Stack

from cdk_braket import (
    CheckpointSource,
    ContainerImage,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    OnDelete,
    ValidationError,
    WaitForCompletion,
)
from cdk_braket._lambda.braket_jobs.handler.properties import read_definition
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    as_sent,
    image_job,
    job_properties,
    new_stack,
    request_of,
    resources,
    tags_of,
)

_BASE: Mapping[str, object] = {"hyperparameters": {"shots": 100}, "tags": {"team": "a"}}


def _job(stack: Stack, **options: object) -> HybridJob:
    everything = {"image": ContainerImage.base(), "device": LOCAL, **_BASE, **options}
    return HybridJob(stack, "Job", **everything)  # type: ignore[arg-type]  # one way for all


def _properties(**options: object) -> Json:
    stack = new_stack()
    _job(stack, **options)
    return job_properties(stack)


def _differences(before: object, after: object, path: str = "") -> dict[str, tuple[object, object]]:
    if before == after:
        return {}
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[object, object]] = {}
        for name in before | after:
            found |= _differences(before.get(name), after.get(name), f"{path}.{name}".lstrip("."))
        return found
    return {path: (before, after)}


def test_a_changed_hyperparameter_is_one_line_and_a_new_digest() -> None:
    found = _differences(_properties(), _properties(hyperparameters={"shots": 200}))
    assert found.pop("Request.HyperParameters.shots") == ("100", "200")
    assert set(found) == {"DefinitionDigest"}


def test_a_changed_tag_leaves_the_digest() -> None:
    found = _differences(_properties(), _properties(tags={"team": "b"}))
    assert found == {"Tags.team": ("a", "b")}


@pytest.mark.parametrize(
    ("options", "is_new_job"),
    [
        ({"rerun_trigger": "1"}, True),
        ({"copy_checkpoints_from": CheckpointSource.from_s3_uri("s3://amazon-braket-a/b")}, True),
        ({"max_runtime": Duration.hours(1)}, True),
        ({"on_delete": OnDelete.RETAIN_JOB}, False),
        ({"wait_for_completion": WaitForCompletion(timeout=Duration.minutes(1))}, False),
    ],
)
def test_the_digest_changes_with_the_definition_alone(
    options: Mapping[str, object], is_new_job: bool
) -> None:
    before, after = _properties(), _properties(**options)
    assert (before["DefinitionDigest"] != after["DefinitionDigest"]) == is_new_job
    digests = [read_definition(as_sent(each)).digest for each in (before, after)]
    assert (digests[0] != digests[1]) == is_new_job, "the handler's own says the same"


def _digest_with(change: Callable[[CfnResource], object]) -> object:
    stack = new_stack()
    change(cast("CfnResource", _job(stack).node.default_child))
    return job_properties(stack)["DefinitionDigest"]


def test_an_escape_hatch_changes_the_digest_if_it_changes_the_definition() -> None:
    shots = "Request.HyperParameters.shots"
    plain = _digest_with(lambda job: job.logical_id)
    assert _digest_with(lambda job: job.add_property_override("OnDelete", "RETAIN_JOB")) == plain
    changed = {
        _digest_with(lambda job: job.add_property_override(shots, "9")),
        _digest_with(lambda job: job.add_property_deletion_override(shots)),
        _digest_with(lambda job: job.add_override("Properties.RerunToken", "9")),
    }
    assert len(changed | {plain}) == 4


def test_the_digest_is_the_same_at_each_synthesis() -> None:
    digests = {_properties()["DefinitionDigest"] for _ in range(2)}
    [digest] = digests
    assert re.fullmatch("[0-9a-f]{16}", str(digest))


def test_values_that_the_deployment_knows_are_filled_in_by_cloudformation() -> None:
    stack = new_stack()
    shots = CfnParameter(stack, "Shots", type="Number")
    _job(stack, hyperparameters={"shots": shots.value_as_number})
    request = cast("Json", job_properties(stack)["Request"])
    assert request["HyperParameters"] == {"shots": {"Ref": "Shots"}}
    assert "Fn::Join" not in json.dumps(request)


@pytest.mark.parametrize("key", ["Ref", "Fn::GetAtt", "Condition", "é", "a.$"])
def test_keys_that_a_template_would_evaluate_reach_the_job(key: str) -> None:
    stack = new_stack()
    _job(stack, hyperparameters={key: "Job"}, tags={key: "Job"})
    assert request_of(stack)["hyperParameters"] == {key: "Job"}
    assert tags_of(stack) == {key: "Job"}


def test_a_key_that_the_cdk_for_python_reads_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        _job(new_stack(), hyperparameters={"$jsii.byref": "a"}, tags={"$jsii.map": "$jsii.map"})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "hyperparameters['$jsii.byref']",
        "tags['$jsii.map']='$jsii.map'",
    ]


def test_keys_that_a_template_would_evaluate_reach_the_jobs_of_state_machines() -> None:
    stack = new_stack()
    definition = HybridJobDefinition(
        stack, "Vqe", image=ContainerImage.base(), device=LOCAL, hyperparameters={"a.$": "$.b"}
    )
    given = stack.resolve(getattr(definition, "_definition").properties())  # noqa: B009 - internal
    assert given["Request"]["HyperParameters"] == '{"a.$":"$.b"}'


def test_the_construct_tree_and_the_logical_id_are_those_of_a_custom_resource() -> None:
    stack = new_stack()
    job = image_job(stack)
    assert job.node.default_child is not None
    assert job.node.default_child.node.path == "Stack/Job/Resource/Default"
    assert list(resources(stack, "Custom::BraketHybridJob")) == ["JobB9D00F9F"]


def test_a_further_job_costs_few_bytes(tmp_path: Path) -> None:
    """Without white space: stacks that are close to the limit suppress the indentation."""
    sizes = []
    for count in (1, 2):
        app = App(outdir=str(tmp_path / str(count)))
        stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region=REGION))
        environment = HybridJobEnvironment(stack, "Environment")
        for number in range(count):
            HybridJob(
                stack,
                f"Job{number}",
                environment=environment,
                image=ContainerImage.base(),
                device=LOCAL,
            )
        template = json.loads(
            Path(app.synth().get_stack_by_name("Stack").template_full_path).read_text("utf-8")
        )
        sizes.append(len(json.dumps(template, separators=(",", ":"))))
    assert sizes[1] - sizes[0] <= 1170
