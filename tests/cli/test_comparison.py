"""A deployment's effect on jobs, from templates that the constructs synthesize."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Duration, NestedStack, Stack, Stage
from constructs import Construct

from cdk_braket import ContainerImage, Device, HybridJob, InstanceConfig, OnDelete
from cdk_braket_cli.commands.explain import sentence
from cdk_braket_client.assembly import AssemblyError, stack_in
from cdk_braket_client.comparison import Action, Effect, compare
from cdk_braket_client.stack_jobs import Key

Json = Mapping[str, Any]
# An argument of HybridJob.
Value = Any


def new_app(folder: Path) -> App:
    """An app with the settings of the CDK CLI."""
    settings = ("aws:cdk:enable-path-metadata", "aws:cdk:enable-asset-metadata")
    return App(outdir=str(folder), context=dict.fromkeys(settings, True))


def job(scope: Construct, id: str = "Vqe", **changes: Value) -> HybridJob:
    given = {"hyperparameters": {"shots": 100}, "max_runtime": Duration.minutes(10), **changes}
    return HybridJob(
        scope, id, image=ContainerImage.base(), device=Device.local("braket/default"), **given
    )


def jobs(folder: Path, *, ids: tuple[str, ...] = ("Vqe",), **changes: Value) -> dict[Key, Json]:
    """The jobs of a stack, as an assembly has them."""
    app = new_app(folder)
    stack = Stack(app, "Chemistry")
    for each in ids:
        job(stack, each, **changes)
    app.synth()
    return stack_in(folder, "Chemistry").jobs()


def compared(tmp_path: Path, **changes: Value) -> Effect:
    old, new = jobs(tmp_path / "old"), jobs(tmp_path / "new", **changes)
    [effect] = compare(old, new)
    return effect


def test_a_changed_hyperparameter_starts_a_new_job(tmp_path: Path) -> None:
    effect = compared(tmp_path, hyperparameters={"shots": 200})
    assert sentence(effect, "RUNNING") == (
        "Chemistry/Vqe: HyperParameters.shots 100 → 200: a new job starts, the running one is "
        "cancelled, at most 0.17 instance hours"
    )


def test_an_ended_job_is_not_cancelled(tmp_path: Path) -> None:
    effect = compared(tmp_path, rerun_trigger="again")
    said = sentence(effect, "FAILED")
    assert "RerunToken is new: again: a new job starts, the old one has ended (FAILED)" in said


def test_a_job_that_is_retained_runs_on(tmp_path: Path) -> None:
    old = jobs(tmp_path / "old", on_delete=OnDelete.RETAIN_JOB)
    [replaced] = compare(old, jobs(tmp_path / "new", hyperparameters={"shots": 1}))
    assert "the running one runs on (RETAIN_JOB)" in sentence(replaced, "RUNNING")
    [removed] = compare(old, {})
    assert sentence(removed, "RUNNING") == (
        "Chemistry/Vqe: no longer in the stack: the running one runs on (RETAIN_JOB)"
    )


@pytest.mark.parametrize("change", [{"tags": {"a": "b"}}, {"on_delete": OnDelete.RETAIN_JOB}, {}])
def test_changes_outside_the_definition_keep_the_job(
    tmp_path: Path, change: dict[str, object]
) -> None:
    effect = compared(tmp_path, **change)
    assert (effect.action, effect.changes, effect.hours_limit) == (Action.KEEP, (), None)
    assert sentence(effect, "RUNNING") == "Chemistry/Vqe: unchanged: its job is kept (RUNNING)"
    assert "change rerun_trigger" in sentence(effect, "CANCELLED")


def test_every_changed_value_is_named(tmp_path: Path) -> None:
    effect = compared(
        tmp_path,
        hyperparameters={"depth": 3},
        max_runtime=Duration.hours(1),
        instance=InstanceConfig(instance_count=2),
    )
    changes = {change.path: (change.before, change.after) for change in effect.changes}
    assert changes["HyperParameters.shots"] == ("100", None)
    assert changes["HyperParameters.depth"] == (None, "3")
    assert changes["StoppingCondition.MaxRuntimeInSeconds"] == (600, 3600)
    assert changes["InstanceConfig.InstanceCount"] == (1, 2)
    assert effect.hours_limit == 2


def test_without_a_limit_the_service_limits_the_hours(tmp_path: Path) -> None:
    [effect] = compare({}, jobs(tmp_path / "new", max_runtime=None))
    assert sentence(effect, None) == (
        "Chemistry/Vqe: a new job starts, at most 120.00 instance hours"
    )


def test_jobs_come_and_go_by_their_paths(tmp_path: Path) -> None:
    old, new = jobs(tmp_path / "old", ids=("A", "B")), jobs(tmp_path / "new", ids=("B", "C"))
    effects = compare(old, new)
    assert [(effect.path, effect.action) for effect in effects] == [
        ("Chemistry/A", Action.REMOVE),
        ("Chemistry/B", Action.KEEP),
        ("Chemistry/C", Action.START),
    ]


def test_numbers_are_compared_as_cloudformation_sends_them() -> None:
    def resource(count: object) -> Json:
        return {"Properties": {"Request": {"InstanceConfig": {"InstanceCount": count}}}}

    [effect] = compare({("A",): resource("1")}, {("A",): resource(1)})
    assert effect.action is Action.KEEP


def test_hyperparameters_as_a_json_string_are_compared(tmp_path: Path) -> None:
    old = jobs(tmp_path / "old", hyperparameters={"$odd": 1})
    [effect] = compare(old, jobs(tmp_path / "new", hyperparameters={"$odd": 2}))
    assert effect.action is Action.REPLACE


def test_jobs_of_nested_stacks_and_stages_are_found(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    stack = Stack(Stage(app, "Prod"), "Chemistry")
    job(stack)
    job(NestedStack(stack, "Inner"), "Deep")
    app.synth()
    for name in ("Prod/Chemistry", "Prod-Chemistry"):
        found = stack_in(tmp_path, name)
        assert found.name == "Prod-Chemistry"
        paths = [effect.path for effect in compare({}, found.jobs())]
        assert paths == ["Prod/Chemistry/Inner/Deep", "Prod/Chemistry/Vqe"]


def test_an_unknown_stack_is_an_error_that_lists_the_stacks(tmp_path: Path) -> None:
    jobs(tmp_path)
    with pytest.raises(AssemblyError, match="no stack Other; its stacks: Chemistry"):
        stack_in(tmp_path, "Other")
    with pytest.raises(AssemblyError, match="expected the output of `cdk synth`"):
        stack_in(tmp_path / "missing", "Chemistry")
