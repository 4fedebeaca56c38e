"""A job that runs each night, started and waited for by a state machine."""

from pathlib import Path
from typing import Final

from aws_cdk import CfnOutput, Duration, Stack, TimeZone
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJobDefinition, InputChannel

_EXAMPLE: Final = Path(__file__).resolve().parents[1] / "examples" / "h2_vqe"


class NightlyStack(Stack):
    """A definition that the deployment does not run, a state machine that does, and a schedule."""

    def __init__(self, scope: Construct, id: str, *, iterations: int = 20) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            iterations: Steps of the optimizer each night.
        """
        super().__init__(scope, id, description="A hybrid job each night (cdk-braket)")
        definition = HybridJobDefinition(
            self,
            "Vqe",
            algorithm=AlgorithmScript.from_asset(
                _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
            ),
            input_data={
                "hamiltonian": InputChannel.from_asset(
                    _EXAMPLE / "data" / "h2_hamiltonian.json", content_type="application/json"
                )
            },
            device=Device.local("braket/default"),
            hyperparameters={"shots": 0, "iterations": iterations, "seed": 7},
            max_runtime=Duration.minutes(15),
        )
        run = definition.run_job_task(
            self,
            "Run",
            hyperparameters={"iterations": sfn.JsonPath.number_at("$.iterations")},
            timeout=Duration.hours(2),
        )
        tell = sfn.Pass(self, "Tell", output_path="$.hybridJob")
        machine = sfn.StateMachine(
            self, "Nightly", definition_body=sfn.DefinitionBody.from_chainable(run.next(tell))
        )
        scheduler.Schedule(
            self,
            "EachNight",
            schedule=scheduler.ScheduleExpression.cron(
                hour="2", minute="0", time_zone=TimeZone.ETC_UTC
            ),
            target=targets.StepFunctionsStartExecution(
                machine,
                input=scheduler.ScheduleTargetInput.from_object({"iterations": iterations}),
            ),
        )
        CfnOutput(self, "StateMachineArn", value=machine.state_machine_arn)
