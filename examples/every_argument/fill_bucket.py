"""Creates the bucket that the example reads, with small data in it.

`python3 fill_bucket.py amazon-braket-data`
"""

import sys
from collections.abc import Mapping
from typing import Final

import boto3

OBJECTS: Final[Mapping[str, str]] = {
    "weights/weights.json": "[1, 1, 1, 1, 1, 1, 1]",
    "notes/a.txt": "a",
    "notes/deeper/b.txt": "b",
    "earlier/checkpoints/scan.json": '{"0.0": 0.5, "0.5": 0.25}',
}


def main() -> None:
    """Create the bucket and its objects."""
    (bucket,) = sys.argv[1:]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    for key, text in OBJECTS.items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())


if __name__ == "__main__":
    main()
