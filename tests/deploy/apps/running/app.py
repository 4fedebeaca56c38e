"""A definition that state machines and a schedule run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack, TimeZone
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import AlgorithmScript, Device, HybridJobDefinition

app = App()
stack = Stack(app, "Running")
definition = HybridJobDefinition(
    stack,
    "Vqe",
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parent / "obeying.py"), entry_point="obeying:main"
    ),
    device=Device.local("braket/default"),
    hyperparameters={"does": "finish", "note": "planted-canary-6d21"},
    tags={"purpose": "tests"},
    max_runtime=Duration.minutes(10),
    removal_policy=RemovalPolicy.DESTROY,
)

soon = Duration.seconds(3)
waits: dict[str, tuple[Duration | None, Duration | None]] = {
    "Told": (None, None),
    "Looking": (soon, None),
    "Impatient": (soon, Duration.seconds(6)),
}
for name, (poll_interval, timeout) in waits.items():
    run = definition.run_job_task(
        stack,
        name,
        hyperparameters={
            "does": sfn.JsonPath.string_at("$.does"),
            "seed": sfn.JsonPath.number_at("$.seed"),
        },
        timeout=timeout,
        poll_interval=poll_interval,
    )
    machine = sfn.StateMachine(
        stack,
        f"{name}Machine",
        definition_body=sfn.DefinitionBody.from_chainable(
            run.next(sfn.Pass(stack, f"After{name}", output_path="$.hybridJob"))
        ),
    )
    CfnOutput(stack, f"{name}Arn", value=machine.state_machine_arn)

in_a_moment = datetime.now(UTC) + timedelta(seconds=5)
definition.schedule("Soon", scheduler.ScheduleExpression.at(in_a_moment, TimeZone.ETC_UTC))
role = definition.environment.handler_function.role
assert role is not None
CfnOutput(stack, "HandlerRole", value=role.role_name)
app.synth()
