"""KMS keys as policies name them: an alias is not a resource of IAM."""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from .memo import key_arn_of, remembered
from .statement import Statement

READ_ACTIONS: Final = ("kms:Decrypt",)
"""Read objects that are encrypted with a key."""

WRITE_ACTIONS: Final = ("kms:Decrypt", "kms:GenerateDataKey")
"""Write objects that are encrypted with a key; a multipart upload reads its own parts."""

RESULT_ACTIONS: Final = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
"""Write the results of a job.

Amazon Braket runs jobs on SageMaker AI, whose documentation requires kms:Encrypt of the execution
role, and whose volumes require kms:DescribeKey. Source:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
"""

_ALIAS: Final = "alias/"
BRAKET: Final = "braket.amazonaws.com"


@remembered
def target_of(key: kms.IKey) -> kms.IKey:
    """Return the key of an alias where the app knows it, and else the key or alias itself."""
    try:
        target = getattr(key, "alias_target_key", None)
    except RuntimeError:  # an alias that was imported by its name
        return key
    return key if target is None else cast("kms.IKey", target)


def key_statement(key: kms.IKey, actions: Sequence[str]) -> Statement:
    """Allow actions on a key.

    The key of an alias that was imported by its name is not known. It is any key of that account
    and region which has the alias, as in `IKey.grant`. Source:
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    before, name = _alias(target_of(key))
    if name is None:
        return Statement(actions=list(actions), resources=[before])
    return Statement(
        actions=list(actions),
        resources=[f"{before}key/*"],
        conditions={"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}},
    )


def results_key_statement(stack: Stack) -> iam.PolicyStatement:
    """Return the statement of a key's policy that results of quantum tasks need.

    Amazon Braket writes them as its service-linked role, whose own policy contains no KMS actions
    and cannot be extended. The role is not named as principal. KMS refuses a key policy that names
    a missing role, and the role exists only after you enable Braket. Sources:
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonBraketServiceRolePolicy.html
    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html

    Args:
        stack: The stack of the results bucket.
    """
    roles = stack.format_arn(
        service="iam",
        region="",
        resource="role",
        resource_name=f"aws-service-role/{BRAKET}/*",
    )
    return iam.PolicyStatement(
        sid="AmazonBraketTaskResults",
        principals=[iam.StarPrincipal()],
        actions=list(WRITE_ACTIONS),
        resources=["*"],
        conditions={
            "StringEquals": {
                "kms:CallerAccount": stack.account,
                "kms:ViaService": f"s3.{stack.region}.amazonaws.com",
            },
            "ArnLike": {"aws:PrincipalArn": roles},
        },
    )


def is_same_key(one: kms.IKey, other: kms.IKey) -> bool:
    """Return whether two keys, or aliases of keys of this app, are known to be the same key."""
    return key_arn_of(target_of(one)) == key_arn_of(target_of(other))


@remembered
def _alias(key: kms.IKey) -> tuple[str, str | None]:
    """Split the ARN of an alias before its name. For a key, return its ARN and None."""
    arn = key_arn_of(key)
    # As a string, an ARN whose region is a token can also be split.
    before, colon, name = arn.rpartition(f":{_ALIAS}")
    if colon:
        return f"{before}:", f"{_ALIAS}{name}"
    alias_name = getattr(key, "alias_name", None)
    return (arn, None) if alias_name is None else (arn.removesuffix(alias_name), alias_name)


def key_statements(
    keys: Iterable[kms.IKey | None], actions: Sequence[str] = WRITE_ACTIONS
) -> list[Statement]:
    """Allow actions on keys, each once.

    Args:
        keys: The keys; None stands for keys of S3, which need no permission.
        actions: The actions.
    """
    unique = {key_arn_of(target_of(key)): key for key in keys if key is not None}
    return [key_statement(key, actions) for _, key in sorted(unique.items())]
