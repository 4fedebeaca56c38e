"""The condition key `aws:PrincipalArn` of a role session: the ARN of the role.

MiniStack supplies the ARN of the session, so that a policy that is right on AWS would refuse.
Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

from typing import Final

from ministack.core import iam_evaluator
from ministack.services import iam

_KEY: Final = "aws:principalarn"


def install() -> None:
    """Have MiniStack supply the ARN of the role."""
    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key: str, ctx: iam_evaluator.EvalContext) -> object:
        if key.lower() == _KEY and ctx.principal_type == "AssumedRole":
            name = iam_evaluator._role_name_from_assumed_arn(ctx.principal_arn)
            role = iam._roles.get_scoped(ctx.principal_account, None, name)
            if role is not None:
                return role["Arn"]
        return resolve(key, ctx)

    iam_evaluator._resolve_condition_key = resolve_condition_key
