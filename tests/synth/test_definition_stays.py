"""A release of the library must not change a definition: every job would run again.

If this test fails, either find a change that does not affect the request, or it is a breaking
change. The changelog must then explain its cost.
"""

from pathlib import Path

from cdk_braket import AlgorithmScript, HybridJob, HybridJobEnvironment, InputChannel
from tests.synth.support import LOCAL, new_stack, request_of

_ROLE = "<{'Fn::GetAtt': ['EnvironmentRoleC2743FF0', 'Arn']}>"
_KEY = "<{'Fn::GetAtt': ['EnvironmentKeyDEA985CB', 'Arn']}>"
_INPUTS = "<{'Ref': 'EnvironmentInputsBucket82FD3A0F'}>"
_RESULTS = "<{'Ref': 'EnvironmentResultsBucket6000849C'}>"


def test_the_definition_of_a_job_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "algo.py").write_text("def main(shots: int): pass\n", encoding="utf-8")
    (tmp_path / "data.json").write_text("{}\n", encoding="utf-8")
    stack = new_stack()
    HybridJob(
        stack,
        "Job",
        environment=HybridJobEnvironment(stack, "Environment"),
        algorithm=AlgorithmScript.from_asset(tmp_path / "algo.py", entry_point="algo:main"),
        input_data={"data": InputChannel.from_asset(tmp_path / "data.json")},
        device=LOCAL,
        hyperparameters={"shots": 100},
    )
    script = "scripts/3c69a3b473d2f6bb7c1337f70e95ef52/source.tar.gz"
    data = "inputs/f35ab673dadc8d8be796a013f8e59537/"
    assert request_of(stack) == {
        "jobName": "Stack-Job-RUNID0000000",
        "roleArn": _ROLE,
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": "algo:main",
                "s3Uri": f"s3://{_INPUTS}/{script}",
                "compressionType": "GZIP",
            },
            "containerImage": {
                "uri": "292282985366.dkr.ecr.us-east-1.amazonaws.com/amazon-braket-base-jobs:latest"
            },
        },
        "deviceConfig": {"device": "local:braket/default"},
        "instanceConfig": {
            "instanceType": "ml.m5.large",
            "volumeSizeInGb": 30,
            "instanceCount": 1,
        },
        "outputDataConfig": {
            "s3Path": f"s3://{_RESULTS}/jobs/Stack-Job/RUNID0000000/data",
            "kmsKeyId": _KEY,
        },
        "checkpointConfig": {
            "s3Uri": f"s3://{_RESULTS}/jobs/Stack-Job/RUNID0000000/checkpoints",
            "localPath": "/opt/jobs/checkpoints",
        },
        "inputDataConfig": [
            {
                "channelName": "data",
                "dataSource": {"s3DataSource": {"s3Uri": f"s3://{_INPUTS}/{data}"}},
            }
        ],
        "hyperParameters": {"shots": "100"},
    }
