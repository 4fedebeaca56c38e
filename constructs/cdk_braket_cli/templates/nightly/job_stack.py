"""A stack that measures a device each night."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack, TimeZone
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJobDefinition

ALGORITHM = Path(__file__).parent / "algorithm.py"


class JobStack(Stack):
    """A definition, a state machine that runs it, and a schedule. The deployment starts no job."""

    def __init__(self, scope: Construct, id: str, *, qubits: int = 4, shots: int = 500) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            qubits: The number of qubits to measure.
            shots: The measurements of each circuit.
        """
        super().__init__(scope, id)
        definition = HybridJobDefinition(
            self,
            "Readout",
            algorithm=AlgorithmScript.from_asset(ALGORITHM, entry_point="algorithm:main"),
            device=Device.local("braket/default"),
            hyperparameters={"qubits": qubits, "shots": shots, "error": 0.02},
            max_runtime=Duration.minutes(15),
        )
        failures = sns.Topic(self, "Failures", enforce_ssl=True)
        notify = tasks.SnsPublish(
            self,
            "Notify",
            topic=failures,
            message=sfn.TaskInput.from_json_path_at("$.error.Cause"),
        ).next(sfn.Fail(self, "Failed", cause="The job did not complete."))
        run = definition.run_job_task(self, "Run", timeout=Duration.hours(2)).to_single_state()
        run.add_catch(notify, result_path="$.error")
        machine = sfn.StateMachine(
            self, "Nightly", definition_body=sfn.DefinitionBody.from_chainable(run)
        )
        scheduler.Schedule(
            self,
            "EachNight",
            schedule=scheduler.ScheduleExpression.cron(
                hour="2", minute="30", time_zone=TimeZone.ETC_UTC
            ),
            target=targets.StepFunctionsStartExecution(
                machine, input=scheduler.ScheduleTargetInput.from_object({})
            ),
        )
        CfnOutput(self, "StateMachineArn", value=machine.state_machine_arn)
        CfnOutput(self, "FailuresTopicArn", value=failures.topic_arn)
