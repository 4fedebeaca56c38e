"""A job that uses each permission that it and its handler are given, and an isolated one."""

from pathlib import Path

from aws_cdk import App, Stack
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    AlgorithmScript,
    CheckpointSource,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
)

HERE = Path(__file__).parent

app = App()
for name, isolated in (("Guarded", False), ("GuardedAlone", True)):
    stack = Stack(app, name)
    older = s3.Bucket.from_bucket_name(stack, "Older", app.node.get_context("older"))
    HybridJob(
        stack,
        "Job",
        environment=HybridJobEnvironment(stack, "Environment") if isolated else None,
        isolated=isolated,
        algorithm=AlgorithmScript.from_asset(HERE / "guarded.py", entry_point="guarded:main"),
        input_data={"words": InputChannel.from_asset(HERE / "words.txt")},
        device=Device.local("braket/default"),
        hyperparameters={"seconds": 0, "note": "planted-canary-a90e"},
        copy_checkpoints_from=CheckpointSource.from_bucket(older, "checkpoints"),
        tags={"dropped": "1", "kept": "1"},
    )
app.synth()
