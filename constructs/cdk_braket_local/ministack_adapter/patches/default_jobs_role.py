"""The default role of hybrid jobs, which the Braket SDK looks up: as in an account that has it.

On AWS, the console of Amazon Braket creates it. Source of the policy:
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonBraketJobsExecutionPolicy.html
"""

import json
from pathlib import Path
from typing import Final

from ministack.services import iam

ROLE: Final = "AmazonBraketJobsExecutionRole"

_PATH: Final = "/service-role/"
_POLICY: Final = "arn:aws:iam::aws:policy/AmazonBraketJobsExecutionPolicy"
_DOCUMENT: Final = Path(__file__).with_name("jobs_execution_policy.json")
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "braket.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def install() -> None:
    """Create the role, with the managed policy that AWS attaches to it."""
    iam._aws_managed_policies[_POLICY] = iam._make_aws_managed_record(
        _POLICY.rpartition("/")[2],
        _DOCUMENT.read_text(encoding="utf-8"),
        description="Permissions of hybrid jobs.",
    )
    trust = json.dumps(_TRUST)
    iam._create_role({"RoleName": ROLE, "Path": _PATH, "AssumeRolePolicyDocument": trust})
    iam._roles[ROLE]["AttachedPolicies"].append(_POLICY)
