"""The decisions of AWS that the local AWS reproduces, and those that it does not.

`cdk-braket-local status --coverage` prints this table, docs/reference/local-coverage.md shows it,
and tests/emulator/test_coverage.py tries each of its lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of AWS on a request.

    Attributes:
        name: A short name.
        text: The decision.
        is_made: Whether the local AWS decides as AWS does.
        remark: The behavior of the local AWS, if it does not decide as AWS does.
    """

    name: str
    text: str
    is_made: bool
    remark: str = ""


_MADE: Final = {
    "identity-policies": "IAM policies of users and roles allow the call",
    "key-of-written-object": "the key policy and IAM allow `kms:GenerateDataKey` for an object "
    "that is written with a KMS key, with `kms:ViaService`, `kms:CallerAccount` and the encryption "
    "context",
    "key-of-read-object": "the key policy and IAM allow `kms:Decrypt` for an object that is read, "
    "or copied from, with the same conditions",
    "encryption-context": "policies can require an encryption context in direct calls of KMS",
    "key-of-log-group": "the key policy lets CloudWatch Logs use the key for this log group",
    "role-of-function": "the role of a Lambda function trusts Lambda",
    "role-of-state-machine": "the role of a state machine trusts Step Functions",
    "role-of-schedule": "the role of a schedule trusts EventBridge Scheduler",
    "role-of-job": "the execution role of a job trusts Amazon Braket",
    "pass-role": "the caller may pass the role to Braket, Lambda, Step Functions or Scheduler, for "
    "calls of the API",
    "inline-policy-names": "a policy of the same name on the same role replaces the first, also "
    "across stacks",
    "bucket-region": "the buckets of a job are in its region",
    "service-linked-role": "the service-linked role of Amazon Braket is a principal with the "
    "permissions of its managed policy, and nothing of KMS",
    "managed-devices": "the caller may run tasks on SV1 and DM1, and Amazon Braket may store their "
    "results in the bucket and use its key",
    "principal-arn": "`aws:PrincipalArn` of a role session is the ARN of the role",
    "iam-delay": "a new or changed policy takes effect later, if CDK_BRAKET_LOCAL_IAM_DELAY "
    "is above 0",
}

_NOT_MADE: Final = {
    "pass-role-in-templates": (
        "the deploying role may pass the roles of a template",
        "each role may be passed: the deploying role counts as an administrator",
    ),
    "deployment-permissions": (
        "the deploying role may create each resource",
        "CloudFormation creates everything: the deploying role counts as an administrator",
    ),
    "trust-afterwards": (
        "a function whose role no longer trusts Lambda is not invoked",
        "trust is checked when the role is given only",
    ),
    "trust-delay": (
        "a new or changed trust policy takes effect later",
        "it takes effect at once, also with CDK_BRAKET_LOCAL_IAM_DELAY",
    ),
    "key-for-root": (
        "the key policy also decides on the root user",
        "the root user may do everything",
    ),
    "key-grants": (
        "grants of a key allow its use",
        "grants are stored and not evaluated",
    ),
    "tls-version": (
        "`s3:TlsVersion` in a policy is compared with the request",
        "the condition is never met",
    ),
    "state-machine-permissions": (
        "the role of a state machine allows its calls",
        "functions and Distributed Maps need it; every other call is allowed",
    ),
    "schedule-permissions": (
        "the role of a schedule may invoke its target",
        "every target is invoked",
    ),
    "function-log-permissions": (
        "the role of a function may write its log, traces and dead letters",
        "the log is written; traces and dead letters are not",
    ),
    "replication": (
        "objects are replicated with the permissions of the replication role",
        "nothing is replicated",
    ),
    "container-image": (
        "the execution role may pull the image of a job",
        "no image is pulled",
    ),
    "quantum-hardware": (
        "the account has accepted the user agreement of a quantum device",
        (
            "no task on a quantum device is accepted: DeviceOfflineException. With "
            "`--simulate-qpus` every account may run them"
        ),
    ),
    "quotas": (
        "quotas, and sizes of policies and templates, are kept",
        "those of hybrid jobs with `--quotas`; most of the others are not checked",
    ),
}

DECISIONS: Final = (
    *(Decision(name, text, is_made=True) for name, text in _MADE.items()),
    *(
        Decision(name, text, is_made=False, remark=remark)
        for name, (text, remark) in _NOT_MADE.items()
    ),
)


def as_plain_text() -> str:
    """Return the table for a terminal."""
    return "\n".join(
        [
            "decided as on AWS:",
            *(f"  {each.text}".replace("`", "") for each in DECISIONS if each.is_made),
            "",
            "not decided (a local success proves nothing about it):",
            *(
                f"  {each.text}: {each.remark}".replace("`", "")
                for each in DECISIONS
                if not each.is_made
            ),
        ]
    )


def as_markdown() -> Iterator[str]:
    """Yield the lines of the table for docs/reference/local-coverage.md."""
    yield "| decision | local AWS |"
    yield "| --- | --- |"
    for each in DECISIONS:
        yield f"| {each.text} | {'as on AWS' if each.is_made else each.remark} |"
