"""Fails: at once, or on demand. It needs no SDK, whose import is slow."""

import os
import time

import boto3


def main(waits: str, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Print a metric as the SDK does, and fail."""
    print(f"Metrics - timestamp={time.time()}; energy=-1.125; iteration_number=1;", flush=True)
    while waits == "True" and not _is_demanded():
        time.sleep(0.2)
    raise RuntimeError("no minimum was found")


def _is_demanded() -> bool:
    bucket = os.environ["AMZN_BRAKET_OUT_S3_BUCKET"]
    place = os.environ["AMZN_BRAKET_JOB_RESULTS_S3_PATH"]
    return "Contents" in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{place}/end")
