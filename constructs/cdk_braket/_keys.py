"""KMS keys as policies name them: an alias is not a resource of IAM."""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

READ_ACTIONS: Final = ("kms:Decrypt",)
"""Read objects that are encrypted with a key."""

WRITE_ACTIONS: Final = ("kms:Decrypt", "kms:GenerateDataKey")
"""Write objects that are encrypted with a key; a multipart upload reads its own parts."""

RESULT_ACTIONS: Final = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
"""Write the results of a job.

Amazon Braket runs jobs on SageMaker AI, whose documentation asks for kms:Encrypt of the execution
role, and whose volumes ask for kms:DescribeKey. Source:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
"""

_ALIAS: Final = "alias/"


def target_of(key: kms.IKey) -> kms.IKey:
    """Return the key of an alias where the app knows it, and else the key or alias itself."""
    try:
        target = getattr(key, "alias_target_key", None)
    except RuntimeError:  # an alias that was imported by its name
        return key
    return key if target is None else cast("kms.IKey", target)


def key_statement(key: kms.IKey, actions: Sequence[str]) -> iam.PolicyStatement:
    """Allow actions on a key.

    The key of an alias that was imported by its name is not known. It is any key of that account
    and region which has the alias, as in `IKey.grant`. Source:
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    target = target_of(key)
    arn = target.key_arn
    # As a text, an ARN whose region is a token can be cut, too.
    before, colon, name = arn.rpartition(f":{_ALIAS}")
    if colon:
        before, name = f"{before}:", f"{_ALIAS}{name}"
    else:
        name = getattr(target, "alias_name", None)
        if name is None:
            return iam.PolicyStatement(actions=list(actions), resources=[arn])
        before = arn.removesuffix(name)
    return iam.PolicyStatement(
        actions=list(actions),
        resources=[f"{before}key/*"],
        conditions={"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}},
    )


def key_statements(
    keys: Iterable[kms.IKey | None], actions: Sequence[str] = WRITE_ACTIONS
) -> list[iam.PolicyStatement]:
    """Allow actions on keys, each once.

    Args:
        keys: The keys; None stands for keys of S3, which need no permission.
        actions: The actions.
    """
    unique = {target_of(key).key_arn: key for key in keys if key is not None}
    return [key_statement(key, actions) for _, key in sorted(unique.items())]
