"""All scripts as jobs of one stack, and a function as another."""

import json

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from braket.circuits import Circuit, Observable
from braket.devices import LocalSimulator
from braket.jobs import save_job_result

from cdk_braket import (
    AlgorithmScript,
    CheckpointSource,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    PreflightCheck,
    WaitForCompletion,
)
from tests.deploy.apps.scripts.cases import CASES


def rotated(angle: float, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Save the expectation of Z after a rotation about X."""
    circuit = Circuit().rx(0, angle).expectation(Observable.Z(), target=0)
    value = LocalSimulator().run(circuit, shots=0).result().values[0]
    save_job_result({"value": float(value)})


app = App()
stack = Stack(app, "Scripts")
environment = HybridJobEnvironment(stack, "Environment", removal_policy=RemovalPolicy.DESTROY)
jobs: dict[str, HybridJob] = {}
names = json.loads(app.node.get_context("names"))
for name in names:
    case = CASES[name]
    before = jobs.get(case.resumes or "")
    jobs[name] = HybridJob(
        stack,
        name,
        environment=environment,
        algorithm=AlgorithmScript.from_asset(str(case.path), entry_point=case.entry_point),
        device=Device.from_arn(case.device),
        hyperparameters={
            **case.hyperparameters,
            **({"previous": before.job_name} if before else {}),
        },
        input_data={
            channel: InputChannel.from_asset(str(case.path.parent / file))
            for channel, file in case.inputs.items()
        },
        copy_checkpoints_from=CheckpointSource.from_job(before) if before else None,
        wait_for_completion=WaitForCompletion() if name == "First" else None,
        max_runtime=Duration.hours(1),
        # The synth would refuse a requirement that is not there.
        disabled_checks=[PreflightCheck.REQUIREMENTS] if name == "FailingRequirements" else [],
    )
jobs["Function"] = HybridJob(
    stack,
    "Function",
    environment=environment,
    algorithm=AlgorithmScript.from_function(rotated),
    device=Device.local("braket/default"),
    hyperparameters={"angle": 0.7, "note": "planted-canary-5d80"},
    max_runtime=Duration.hours(1),
)
for name, job in jobs.items():
    CfnOutput(stack, f"{name}Arn", value=job.job_arn)
    CfnOutput(stack, f"{name}Results", value=job.results_s3_uri)
app.synth()
