"""Sweeps at synth: the state machine, the points, and the arguments that are refused."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from aws_cdk import App, Duration, Stack, Token
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    AlgorithmScript,
    ContainerImage,
    Grid,
    HybridJobDefinition,
    HybridJobSweep,
    SweepPoints,
    ValidationError,
)
from tests.synth.support import LOCAL, new_stack, only, resources, text

_MACHINE = "AWS::StepFunctions::StateMachine"
_START = "Custom::BraketHybridJobSweep"


def _definition(stack: Stack, script: str | None = None, folder: Path | None = None) -> Any:  # noqa: ANN401
    if script is None or folder is None:
        return HybridJobDefinition(stack, "Vqe", image=ContainerImage.base(), device=LOCAL)
    file = folder / "algo.py"
    file.write_text(script, encoding="utf-8")
    algorithm = AlgorithmScript.from_asset(str(file), entry_point="algo:main")
    return HybridJobDefinition(stack, "Vqe", algorithm=algorithm, device=LOCAL)


def _sweep(stack: Stack, parameters: object, **more: object) -> HybridJobSweep:
    given: dict[str, Any] = {"definition": _definition(stack), "parameters": parameters, **more}
    return HybridJobSweep(stack, "Sweep", **given)


def _states(stack: Stack) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text(only(stack, _MACHINE)["DefinitionString"]))["States"]


def _problems(parameters: object, **more: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        _sweep(new_stack(), parameters, **more)
    return list(caught.value.problems)


def _points(stack: Stack) -> list[Mapping[str, object]]:
    """The points in the asset that the state machine reads."""
    key = _states(stack)["Points"]["ItemReader"]["Parameters"]["Key"]
    stage = stack.node.root
    assert isinstance(stage, App)
    folder = Path(stage.synth().directory)
    [file] = folder.glob(f"asset.{key}")
    found: list[Mapping[str, object]] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("parameters", "number"),
    [
        (Grid(theta=[0.5, 1.5], seed=range(3)), 6),
        ([{"theta": 1}, {"theta": 2, "seed": 3}], 2),
        (({"theta": n} for n in range(4)), 4),
    ],
)
def test_points_are_an_asset(parameters: Iterable[Mapping[str, object]], number: int) -> None:
    stack = new_stack()
    assert _sweep(stack, parameters).points == number
    assert len(_points(stack)) == number


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("points.csv", "theta,seed\n0.5,1\n0.7,2\n"),
        ("points.json", '[{"theta": "0.5", "seed": "1"}, {"theta": "0.7", "seed": "2"}]'),
        ("points.jsonl", '{"theta": "0.5", "seed": "1"}\n{"theta": "0.7", "seed": "2"}\n'),
    ],
)
def test_points_come_from_a_file(tmp_path: Path, name: str, content: str) -> None:
    stack = new_stack()
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    _sweep(stack, SweepPoints.from_asset(file))
    assert _points(stack) == [{"theta": "0.5", "seed": "1"}, {"theta": "0.7", "seed": "2"}]


def test_points_are_valid_json(tmp_path: Path) -> None:
    stack = new_stack()
    file = tmp_path / "points.jsonl"
    # U+2028 is no end of a line in JSON Lines; JSON has no infinite numbers.
    file.write_text('{"a": "x\u2028y"}\n{"a": Infinity}\n', encoding="utf-8")
    _sweep(stack, SweepPoints.from_asset(file))
    assert _points(stack) == [{"a": "x\u2028y"}, {"a": "inf"}]


def test_the_template_does_not_grow_with_the_points() -> None:
    lengths = set()
    for number in (1, 2_000):
        stack = new_stack()
        _sweep(stack, Grid(theta=[n / 7 for n in range(number)]))
        lengths.add(len(json.dumps(only(stack, _MACHINE))))
    assert len(lengths) == 1


def test_points_in_s3_are_read_by_the_state_machine() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    sweep = _sweep(stack, SweepPoints.from_bucket(bucket, "in/points.csv"))
    reader = _states(stack)["Points"]["ItemReader"]
    assert sweep.points is None
    assert reader["Parameters"] == {"Bucket": "amazon-braket-mine", "Key": "in/points.csv"}
    assert reader["ReaderConfig"] == {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


def test_the_states_have_the_limits_of_the_sweep() -> None:
    stack = new_stack()
    _sweep(
        stack,
        Grid(seed=[1, 2]),
        max_concurrency=200,
        tolerated_failure_percentage=12.5,
        tolerated_failure_count=3,
        poll_interval=Duration.minutes(1),
    )
    points = _states(stack)["Points"]
    assert points["MaxConcurrency"] == 200
    assert points["ToleratedFailurePercentage"] == 12.5
    assert points["ToleratedFailureCount"] == 3
    run = points["ItemProcessor"]["States"]["Run"]
    assert run["TimeoutSeconds"] == 60
    assert [each["JitterStrategy"] for each in run["Retry"]] == ["FULL"] * 3
    # A poll keeps the point, which is the input of the state.
    assert [each["ResultPath"] for each in run["Catch"]] == ["$.poll"]
    # A redrive continues with the state that failed: there is no Fail state behind it.
    assert list(points["ItemProcessor"]["States"]) == ["Run"]


def test_the_time_limit_of_a_point_is_at_most_that_of_an_execution() -> None:
    stack = new_stack()
    _sweep(stack, Grid(seed=[1]), poll_interval=Duration.days(1))
    run = _states(stack)["Points"]["ItemProcessor"]["States"]["Run"]
    assert run["Parameters"]["Payload"]["timeoutSeconds"] == 365 * 24 * 60 * 60


def test_the_default_is_the_quota_of_a_new_account() -> None:
    stack = new_stack()
    _sweep(stack, Grid(seed=[1]))
    assert _states(stack)["Points"]["MaxConcurrency"] == 5


def test_a_deployment_starts_the_sweep_on_request() -> None:
    stack = new_stack()
    sweep = _sweep(stack, Grid(seed=[1]))
    assert resources(stack, _START) == {}
    with pytest.raises(ValidationError, match="start_on_deploy=True"):
        _ = sweep.execution_arn
    stack = new_stack()
    assert _sweep(stack, Grid(seed=[1]), start_on_deploy=True).execution_arn
    [start] = list(resources(stack, _START).values())
    before = str(start["DependsOn"])
    assert "SweepRolePolicy" in before
    assert "HandlerRolePolicy" in before


def test_sweeps_add_no_policy_to_the_handlers_role() -> None:
    """IAM attaches ten managed policies to a role."""
    stack = new_stack()
    definition = _definition(stack)
    for number in range(12):
        HybridJobSweep(
            stack,
            f"Sweep{number}",
            definition=definition,
            parameters=Grid(seed=[1]),
            start_on_deploy=True,
        )
    policies = resources(stack, "AWS::IAM::ManagedPolicy")
    assert sum("HandlerRole" in name for name in policies) <= 2
    names = [
        text(cast("Any", machine)["Properties"]["StateMachineName"])
        for machine in resources(stack, _MACHINE).values()
    ]
    assert len(set(names)) == 12


def test_a_schedule_names_each_run_by_its_time() -> None:
    stack = new_stack()
    _sweep(stack, Grid(seed=[1])).schedule(
        "Weekly", scheduler.ScheduleExpression.rate(Duration.days(7))
    )
    target = cast("Any", only(stack, "AWS::Scheduler::Schedule"))["Target"]
    assert json.loads(text(target["Input"])) == {"run": "<aws.scheduler.scheduled-time>"}


def test_another_state_machine_runs_the_sweep() -> None:
    stack = new_stack()
    sweep = _sweep(stack, Grid(seed=[1]))
    task = sweep.start_task(stack, "Study", run=sfn.JsonPath.execution_name)
    sfn.StateMachine(stack, "Other", definition_body=sfn.DefinitionBody.from_chainable(task))
    machines = cast("dict[str, Any]", resources(stack, _MACHINE))
    [other] = [found for name, found in machines.items() if name.startswith("Other")]
    state = json.loads(text(other["Properties"]["DefinitionString"]))["States"]["Study"]
    assert state["Resource"].endswith("startExecution.sync:2")
    assert state["Parameters"]["Input"]["run.$"] == "$$.Execution.Name"


# --- What is refused. ---


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ([], "expected at least one point, got none"),
        (Grid(theta=[]), "expected at least one point, got none"),
        ([{"theta": 1}, 2], "parameters[1]: expected a mapping of hyperparameters, got int"),
        ([{"theta": [1]}], "parameters[0]['theta']: expected a string, number or bool, got list"),
        ([{"theta": ""}], "parameters[0]['theta']"),
        ([{"theta": "x" * 3000}], "parameters[0]['theta']"),
        (
            [{"theta": 1}, {"theta": 2}, {"theta": "1"}],
            "parameters[2]: equals parameters[0], and equal points are one job",
        ),
        (
            [3, {"theta": 1}, {"theta": 1}],
            "parameters[2]: equals parameters[1], and equal points are one job",
        ),
    ],
)
def test_wrong_points_are_refused(parameters: object, problem: str) -> None:
    found = _problems(parameters)
    assert any(each.startswith(problem) or problem in each for each in found), found


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"max_concurrency": 0}, "max_concurrency: expected a number from 1 to 10,000, got 0"),
        ({"max_concurrency": 10_001}, "max_concurrency: expected a number from 1 to 10,000"),
        ({"tolerated_failure_percentage": 101}, "tolerated_failure_percentage: expected a number"),
        ({"tolerated_failure_count": -1}, "tolerated_failure_count: expected a number from 0"),
        ({"poll_interval": Duration.millis(1500)}, "poll_interval: expected whole seconds"),
        (
            {"poll_interval": Duration.seconds(Token.as_number({"Ref": "Seconds"}))},
            "poll_interval: is known only to the deployment",
        ),
    ],
)
def test_wrong_limits_are_refused_together_with_wrong_points(
    more: Mapping[str, object], problem: str
) -> None:
    found = _problems([], **more)
    assert any(each.startswith(problem) for each in found), found
    assert any("at least one point" in each for each in found)


def test_a_point_that_the_script_does_not_accept_is_refused(tmp_path: Path) -> None:
    stack = new_stack()
    definition = _definition(stack, "def main(theta: float = 0.0): pass\n", tmp_path)
    good = [{"theta": n / 3} for n in range(50)]
    with pytest.raises(ValidationError) as caught:
        HybridJobSweep(
            stack, "Sweep", definition=definition, parameters=[*good, {"theta": "north"}]
        )
    assert any(each.startswith("parameters[50]") for each in caught.value.problems)
    with pytest.raises(ValidationError) as caught:
        HybridJobSweep(stack, "Sweep", definition=definition, parameters=[*good, {"phi": 1}])
    assert any(each.startswith("parameters[50]") for each in caught.value.problems)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("points.txt", "", "expected a name that ends in .csv, .json, .jsonl"),
        ("points.json", "{}", "expected a list of objects"),
        ("points.csv", "a,a\n1,2\n", "a different name for each column"),
        ("points.csv", "a,b\n1\n", "line 2: expected 2 values, got 1"),
        ("points.jsonl", "{", "cannot be read as points"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, name: str, content: str, problem: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    [found] = _problems(SweepPoints.from_asset(tmp_path / name))
    assert problem in found


def test_a_missing_file_is_refused() -> None:
    [found] = _problems(SweepPoints.from_asset("nowhere/points.csv"))
    assert "No such file" in found
