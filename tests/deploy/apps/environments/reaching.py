"""Does its own work, and tries calls that its role does not allow.

It needs no SDK, whose import is slow.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:b"

CALLS: dict[str, Callable[[list[str]], object]] = {
    "read": lambda at: boto3.client("s3").get_object(Bucket=at[0], Key=at[1]),
    "list": lambda at: boto3.client("s3").list_objects_v2(Bucket=at[0], Prefix=at[1]),
    "write": lambda at: boto3.client("s3").put_object(Bucket=at[0], Key=at[1], Body=b""),
    "delete": lambda at: boto3.client("s3").delete_object(Bucket=at[0], Key=at[1]),
    "invoke": lambda at: boto3.client("lambda").invoke(FunctionName=at[0], Payload=b"{}"),
    "create": lambda at: boto3.client("braket").create_job(
        clientToken="reaching",
        jobName="reaching",
        roleArn=at[0],
        algorithmSpecification={"containerImage": {"uri": _IMAGE}},
        deviceConfig={"device": "local:braket/default"},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
        outputDataConfig={"s3Path": "s3://amazon-braket-reaching/data"},
    ),
    "see": lambda at: boto3.client("braket").get_job(jobArn=at[0]),
    "search": lambda _: boto3.client("braket").search_jobs(filters=[]),
    "cancel": lambda at: boto3.client("braket").cancel_job(jobArn=at[0]),
    "tag": lambda at: boto3.client("braket").tag_resource(resourceArn=at[0], tags={"a": "b"}),
    "assume": lambda at: boto3.client("sts").assume_role(RoleArn=at[0], RoleSessionName="reaching"),
    "encrypt": lambda at: boto3.client("kms").encrypt(KeyId=at[0], Plaintext=b"a"),
}


def main(attempts: str, others: str = "{}", note: str = "") -> None:  # noqa: ARG001 - a secret
    """Save a result, as the SDK does, a checkpoint, and the outcome of each attempt.

    Args:
        attempts: JSON: the call and its resource, by name.
        others: The same, because the length of a hyperparameter is limited.
        note: Not used.
    """
    inputs = Path(os.environ["AMZN_BRAKET_INPUT_DIR"])
    words = [file.read_text().strip() for file in sorted(inputs.rglob("*.txt"))]
    Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "saved.txt").write_text("saved")
    tried = json.loads(attempts) | json.loads(others)
    became = {name: _try(*attempt) for name, attempt in tried.items()}
    saved = {"dataDictionary": {"words": words, **became}, "dataFormat": "plaintext"}
    folder = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    (folder / "results.json").write_text(json.dumps(saved), encoding="utf-8")


def _try(call: str, *where: str) -> str:
    try:
        CALLS[call](list(where))
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"
