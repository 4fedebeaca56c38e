"""Definitions that state machines and schedules run: the states, the rules, and refusals."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from aws_cdk import App, Duration, Environment, Stack, TimeZone
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs.handler.properties import (
    read_encryption,
    read_request,
    read_tags,
)
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    as_sent,
    job_properties,
    json_of,
    new_stack,
    only,
    resources,
    script,
    statements,
    template_of,
    text,
)

_MACHINE = "AWS::StepFunctions::StateMachine"
_SCHEDULE = "AWS::Scheduler::Schedule"
_RULE = "AWS::Events::Rule"
_READS = "def main(shots, seed=0): pass\n"


def _definition(
    stack: Stack, id: str = "Vqe", environment: HybridJobEnvironment | None = None
) -> HybridJobDefinition:
    return HybridJobDefinition(
        stack,
        id,
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={"shots": 0},
        tags={"team": "chemistry"},
    )


def _machine(stack: Stack, run: sfn.IChainable, id: str = "Machine") -> sfn.StateMachine:
    return sfn.StateMachine(stack, id, definition_body=sfn.DefinitionBody.from_chainable(run))


def _states(stack: Stack) -> dict[str, Json]:
    return cast("dict[str, Json]", json_of(only(stack, _MACHINE)["DefinitionString"])["States"])


def _parameters(state: Json) -> Json:
    return cast("Json", state["Parameters"])


def test_the_states_name_start_wait_for_and_cancel_a_run() -> None:
    stack = new_stack()
    _machine(stack, _definition(stack).run_job_task(stack, "Run"))
    states = _states(stack)
    assert list(states) == ["Run: name", "Run: start", "Run: wait", "Run: cancel", "Run: failed"]
    assert states["Run: name"]["Parameters"] == {"RunId.$": "States.UUID()"}
    assert "End" in states["Run: wait"]


def test_a_repeated_start_is_the_same_run() -> None:
    stack = new_stack()
    _machine(stack, _definition(stack).run_job_task(stack, "Run"))
    start = _parameters(_states(stack)["Run: start"])
    assert start["execution.$"] == "$$.Execution.Id"
    assert start["runId.$"] == "$.hybridJob.RunId", "made by a state of its own, which comes once"
    retried = cast("list[Json]", _states(stack)["Run: start"]["Retry"])
    errors = {error for each in retried for error in cast("list[str]", each["ErrorEquals"])}
    assert {"Lambda.Unknown", "Sandbox.Timedout", "Lambda.TooManyRequestsException"} <= errors
    assert not {"States.ALL", "States.TaskFailed"} & errors, "what was refused is refused again"


def test_a_run_has_the_request_of_a_deployment() -> None:
    machines, deployed = new_stack(), new_stack()
    _machine(machines, _definition(machines).run_job_task(machines, "Run"))
    HybridJob(
        deployed,
        "Vqe",
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={"shots": 0},
        tags={"team": "chemistry"},
    )
    asked = cast("Json", _parameters(_states(machines)["Run: start"])["properties"])
    known = job_properties(deployed)
    assert set(asked) == set(known) - {"ServiceToken", "ServiceTimeout", "DefinitionDigest"}
    for read in (read_request, read_tags, read_encryption):
        assert read(as_sent(asked)) == read(as_sent(known))
    assert asked["Records"] == text(known["Records"])


def test_hyperparameters_come_from_the_execution_or_from_here() -> None:
    stack = new_stack()
    run = _definition(stack).run_job_task(
        stack,
        "Run",
        hyperparameters={
            "shots": sfn.JsonPath.number_at("$.shots"),
            "seed": sfn.JsonPath.string_at("$.seed"),
            "exact": True,
        },
    )
    _machine(stack, run)
    assert _parameters(_states(stack)["Run: start"])["hyperparameters"] == {
        "shots.$": "$.shots",
        "seed.$": "$.seed",
        "exact": True,
    }


def _with_devices(stack: Stack) -> Json:
    definition = _definition(stack)
    run = definition.run_job_task(
        stack,
        "Run",
        device=sfn.JsonPath.string_at("$.device"),
        allowed_devices=[LOCAL, Device.AMAZON_SV1, Device.IONQ_FORTE_1],
    )
    _machine(stack, run)
    return _parameters(_states(stack)["Run: start"])


def test_the_device_comes_from_the_execution() -> None:
    start = _with_devices(new_stack())
    assert start["device.$"] == "$.device"
    assert start["allowedDevices"] == [LOCAL.arn, Device.AMAZON_SV1.arn, Device.IONQ_FORTE_1.arn]


def _devices_of(stack: Stack, role: str) -> dict[str, set[str]]:
    """Return the devices that the policies of a role name, by action."""
    found: dict[str, set[str]] = {}
    for statement in statements(stack, role):
        actions, arns = cast("Any", statement["Action"]), cast("Any", statement["Resource"])
        for action in [actions] if isinstance(actions, str) else actions:
            for arn in arns if isinstance(arns, list) else [arns]:
                if "device/" in text(arn):
                    found.setdefault(action, set()).add(text(arn))
    return found


def test_the_roles_may_use_each_allowed_device_and_no_other() -> None:
    stack = new_stack()
    _with_devices(stack)
    managed = {Device.AMAZON_SV1.arn, Device.IONQ_FORTE_1.arn}
    own = _devices_of(stack, "VqeEnvironmentRole")
    assert own == {"braket:GetDevice": managed, "braket:CreateQuantumTask": managed}
    assert _devices_of(stack, "Handler") == {"braket:GetDevice": managed}


FAR = Device.from_arn("arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")
WRONG_DEVICES: dict[str, tuple[Json, str]] = {
    "no list": ({"device": "$.device"}, "allowed_devices: expected the devices"),
    "no device": ({"allowed_devices": [Device.AMAZON_SV1]}, "allowed_devices: has no effect"),
    "no path": (
        {"device": "$.device", "allowed_devices": [Device.AMAZON_SV1]},
        r"device: expected one of allowed_devices, got '\$.device'",
    ),
    "another": (
        {"device": Device.AMAZON_DM1.arn, "allowed_devices": [Device.AMAZON_SV1]},
        "device: expected one of allowed_devices, got 'arn:.*dm1'",
    ),
    "far away": (
        {"device": FAR.arn, "allowed_devices": [Device.AMAZON_SV1, FAR]},
        r"allowed_devices\[1\]='arn:.*Garnet': the device is in eu-north-1",
    ),
    "unknown": (
        {"device": "local:x", "allowed_devices": [Device.from_arn("local:x")]},
        r"allowed_devices\[0\]: expected local:<provider>/<simulator>, got 'local:x'",
    ),
    "type": (
        {"device": "a", "allowed_devices": ["a"]},
        r"allowed_devices\[0\]='a': expected a Device",
    ),
}


@pytest.mark.parametrize("name", WRONG_DEVICES)
def test_wrong_devices_of_a_run_are_reported(name: str) -> None:
    arguments, rule = WRONG_DEVICES[name]
    stack = new_stack()
    with pytest.raises(ValidationError, match=rule) as caught:
        _definition(stack).run_job_task(stack, "Run", **cast("Any", arguments))
    assert len(caught.value.problems) == 1


def test_a_reservation_is_of_one_device() -> None:
    stack = new_stack()
    definition = HybridJobDefinition(
        stack,
        "Vqe",
        image=ContainerImage.base(),
        device=Device.IONQ_FORTE_1,
        reservation_arn=f"arn:aws:braket:{REGION}:{ACCOUNT}:reservation/a1b2c3",
    )
    with pytest.raises(ValidationError, match="device: cannot be chosen, because reservation_arn"):
        definition.run_job_task(
            stack,
            "Run",
            device=sfn.JsonPath.string_at("$.device"),
            allowed_devices=[Device.IONQ_FORTE_1],
        )


def test_the_event_ends_the_wait_and_a_poll_is_the_fallback() -> None:
    stack = new_stack()
    _machine(
        stack, _definition(stack).run_job_task(stack, "Run", poll_interval=Duration.minutes(2))
    )
    wait = _states(stack)["Run: wait"]
    assert text(wait["Resource"]).endswith(":states:::lambda:invoke.waitForTaskToken")
    assert cast("Json", _parameters(wait)["Payload"])["taskToken.$"] == "$$.Task.Token"
    assert wait["TimeoutSeconds"] == 120
    first, rest = cast("list[Json]", wait["Catch"])
    assert (first["ErrorEquals"], first["Next"]) == (["States.Timeout"], "Run: wait")
    assert (rest["ErrorEquals"], rest["Next"]) == (["States.ALL"], "Run: cancel")


@pytest.mark.parametrize("state", ["Run: start", "Run: wait"])
def test_a_run_that_fails_is_cancelled_and_keeps_its_reason(state: str) -> None:
    stack = new_stack()
    _machine(stack, _definition(stack).run_job_task(stack, "Run"))
    states = _states(stack)
    caught = cast("list[Json]", states[state]["Catch"])[-1]
    assert (caught["Next"], caught["ResultPath"]) == ("Run: cancel", "$.hybridJobError")
    cancel = states["Run: cancel"]
    assert _parameters(cancel)["runId.$"] == "$.hybridJob.RunId"
    assert (cancel["ResultPath"], cancel["Next"]) == (None, "Run: failed")
    failed = states["Run: failed"]
    assert failed["ErrorPath"] == "$.hybridJobError.Error"
    assert failed["CausePath"] == "$.hybridJobError.Cause"


def test_a_time_limit_is_counted_from_the_start() -> None:
    stack = new_stack()
    _machine(stack, _definition(stack).run_job_task(stack, "Run", timeout=Duration.hours(2)))
    assert _parameters(_states(stack)["Run: start"])["timeoutSeconds"] == 7200


@pytest.mark.parametrize(("minutes", "seconds"), [(5, 3500 * 300), (60 * 24, 365 * 24 * 60 * 60)])
def test_a_run_ends_before_the_history_of_its_execution_is_full(minutes: int, seconds: int) -> None:
    stack = new_stack()
    interval = Duration.minutes(minutes)
    _machine(stack, _definition(stack).run_job_task(stack, "Run", poll_interval=interval))
    assert _parameters(_states(stack)["Run: start"])["timeoutSeconds"] == seconds


def test_a_poll_interval_that_would_fill_the_history_is_refused_with_one_that_fits() -> None:
    stack = new_stack()
    definition = _definition(stack)
    with pytest.raises(ValidationError, match=r"poll_interval: .* 1/3500 .*seconds\(124\)"):
        definition.run_job_task(
            stack, "Run", timeout=Duration.days(5), poll_interval=Duration.minutes(2)
        )
    definition.run_job_task(
        stack, "Run", timeout=Duration.days(5), poll_interval=Duration.seconds(124)
    )


def test_it_chains_with_other_states() -> None:
    stack = new_stack()
    run = _definition(stack).run_job_task(stack, "Run", result_path="$.jobs.vqe")
    _machine(stack, sfn.Pass(stack, "Before").next(run).next(sfn.Succeed(stack, "After")))
    states = _states(stack)
    assert states["Before"]["Next"] == "Run: name"
    assert states["Run: wait"]["Next"] == "After"
    assert states["Run: wait"]["ResultPath"] == "$.jobs.vqe"


def test_it_can_be_one_state_whose_errors_are_caught() -> None:
    stack = new_stack()
    whole = _definition(stack).run_job_task(stack, "Run").to_single_state()
    whole.add_catch(sfn.Succeed(stack, "Forgiven"), errors=["HybridJob.Failed"])
    _machine(stack, whole)
    [caught] = cast("list[Json]", _states(stack)["Run"]["Catch"])
    assert caught["Next"] == "Forgiven"


def test_an_environment_has_one_pair_of_rules_for_all_its_definitions() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(3):
        definition = _definition(stack, f"Vqe{number}", environment)
        _machine(stack, definition.run_job_task(stack, f"Run{number}"), f"Machine{number}")
        definition.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))
    rules = {
        cast("list[str]", pattern["source"])[0]: (pattern, target)
        for rule in resources(stack, _RULE).values()
        for properties in [cast("Json", rule["Properties"])]
        for pattern in [cast("Json", properties["EventPattern"])]
        for target in cast("list[Json]", properties["Targets"])
    }
    assert set(rules) == {"aws.braket", "aws.states"}
    pattern, target = rules["aws.braket"]
    assert pattern["detail"] == {"status": ["CANCELLED", "COMPLETED", "FAILED"]}
    assert '"cdkBraketAction":"jobEnded"' in _template(target)
    pattern, target = rules["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"] == {"status": ["ABORTED", "FAILED", "TIMED_OUT"]}
    assert '"cdkBraketAction":"executionEnded"' in _template(target)


def _template(target: Json) -> str:
    return text(cast("Json", target["InputTransformer"])["InputTemplate"])


def test_a_definition_that_nothing_runs_has_no_rules_and_no_permission_to_answer() -> None:
    stack = new_stack()
    _definition(stack)
    assert resources(stack, _RULE) == {}
    assert "states:" not in json.dumps(template_of(stack))


def test_the_handler_may_answer_state_machines() -> None:
    stack = new_stack()
    _definition(stack).run_job_task(stack, "Run")
    [answers] = [
        statement
        for statement in statements(stack, "BraketHybridJobHandler")
        if "states:SendTaskSuccess" in cast("list[str]", statement["Action"])
    ]
    assert answers["Action"] == ["states:SendTaskFailure", "states:SendTaskSuccess"]


def test_a_state_machine_may_invoke_the_handler_and_no_more() -> None:
    stack = new_stack()
    _machine(stack, _definition(stack).run_job_task(stack, "Run"))
    [allowed] = statements(stack, "MachineRole")
    assert allowed["Action"] == "lambda:InvokeFunction"


def test_definition_and_machine_may_be_in_another_stack_than_the_environment() -> None:
    app = App()
    where = Environment(account=ACCOUNT, region=REGION)
    environment = HybridJobEnvironment(Stack(app, "Shared", env=where), "Environment")
    stack = Stack(app, "Chemistry", env=where)
    _machine(stack, _definition(stack, environment=environment).run_job_task(stack, "Run"))
    app.synth()
    assert resources(stack, _RULE) == {}
    assert len(resources(Stack.of(environment), _RULE)) == 2


def test_a_schedule_starts_one_job_for_each_time() -> None:
    stack = new_stack()
    expression = scheduler.ScheduleExpression.cron(hour="2", minute="0", time_zone=TimeZone.ETC_UTC)
    _definition(stack).schedule("Nightly", expression, hyperparameters={"seed": 3})
    target = cast("Json", only(stack, _SCHEDULE)["Target"])
    given = json_of(target["Input"])
    assert given["cdkBraketAction"] == "start"
    assert given["execution"] == "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>"
    assert given["hyperparameters"] == {"seed": 3}
    assert cast("Json", given["properties"])["Tags"] == {"team": "chemistry"}


def test_a_schedule_depends_on_the_requirements_of_its_jobs() -> None:
    stack = new_stack()
    _definition(stack).schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))
    [made] = resources(stack, _SCHEDULE).values()
    after = cast("list[str]", made["DependsOn"])
    assert any("EnvironmentRolePolicy" in name for name in after)


# --- What is refused. ---


def _foreign(stack: Stack) -> HybridJobDefinition:
    environment = HybridJobEnvironment.from_parameter_name(stack, "Environment", "/quantum/jobs")
    return HybridJobDefinition(
        stack, "Vqe", environment=environment, image=ContainerImage.base(), device=LOCAL
    )


def test_the_handler_of_another_app_receives_no_events_of_state_machines() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError, match=r"\[Stack/Run\] environment: is of another app"):
        _foreign(stack).run_job_task(stack, "Run")


def test_nor_of_schedules() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError, match=r"\[Stack/Vqe/Nightly\] environment: is of another"):
        _foreign(stack).schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))


def test_all_problems_of_a_task_are_reported_at_once() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as caught:
        _definition(stack).run_job_task(
            stack,
            "Run",
            timeout=Duration.millis(1),
            poll_interval=Duration.days(400),
            result_path="$",
        )
    message = str(caught.value)
    for name in ("Stack/Run", "timeout: ", "poll_interval: ", "result_path: "):
        assert name in message
    assert stack.node.try_find_child("Run") is None


def test_hyperparameters_of_a_run_are_checked_as_those_of_a_job(tmp_path: Path) -> None:
    stack = new_stack()
    definition = HybridJobDefinition(
        stack,
        "Vqe",
        algorithm=script(tmp_path, _READS),
        device=LOCAL,
        hyperparameters={"shots": 0},
    )
    with pytest.raises(ValidationError) as caught:
        definition.run_job_task(stack, "Run", hyperparameters={"sed": 1, "seed": ""})
    message = str(caught.value)
    assert "'sed'" in message, "which the script does not take"
    assert "hyperparameters['seed']" in message, "which the service refuses"


def test_hyperparameters_of_a_schedule_are_checked_too() -> None:
    stack = new_stack()
    rate = scheduler.ScheduleExpression.rate(Duration.days(1))
    with pytest.raises(ValidationError, match=r"hyperparameters\['seed'\]"):
        _definition(stack).schedule("Nightly", rate, hyperparameters={"seed": "x" * 3000})
