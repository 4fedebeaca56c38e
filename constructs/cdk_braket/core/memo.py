"""Facts of constructs that never change, each read from Node once.

Every property of an object of the CDK is a call to another process. A stack can have hundreds of
jobs, which all read the same names.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar

from aws_cdk import Stack, Stage
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

_KNOWN: Final = "_cdk_braket_known"

_T = TypeVar("_T")
_R = TypeVar("_R")


def remembered(compute: Callable[[_T], _R]) -> Callable[[_T], _R]:
    """Have a function of an object compute its value once, and keep it with the object.

    Args:
        compute: A function whose value never changes for the same object.
    """
    key = _key(compute)

    @wraps(compute)
    def read(owner: _T) -> _R:
        attributes = getattr(owner, "__dict__", None)
        if attributes is None:
            return compute(owner)
        known: dict[str, _R] = attributes.setdefault(_KNOWN, {})
        if key not in known:
            known[key] = compute(owner)
        return known[key]

    return read


def _key(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def share_tree(child: IConstruct, parent: IConstruct) -> None:
    """Keep with a construct the facts of the tree that are known of its parent.

    Args:
        child: A construct that is no stack, stage or app.
        parent: The construct that it is declared in.
    """
    of_parent = vars(parent).get(_KNOWN, {})
    shared = {key: value for key, value in of_parent.items() if key in _OF_TREE}
    vars(child).setdefault(_KNOWN, {}).update(shared)


@remembered
def stack_of(construct: IConstruct) -> Stack:
    """Return the stack of a construct."""
    return Stack.of(construct)


@remembered
def stage_of(construct: IConstruct) -> Stage | None:
    """Return the stage or app of a construct."""
    return Stage.of(construct)


@remembered
def root_of(construct: IConstruct) -> IConstruct:
    """Return the root of a construct's tree."""
    return construct.node.root


@remembered
def path_of(construct: IConstruct) -> str:
    """Return the path of a construct."""
    return construct.node.path


@remembered
def asset_directory_of(stage: Stage) -> str:
    """Return the directory of a stage's assets."""
    return stage.asset_outdir


@remembered
def region_of(stack: Stack) -> str:
    """Return the region of a stack; a token if it is unknown."""
    return stack.region


@remembered
def account_of(stack: Stack) -> str:
    """Return the account of a stack; a token if it is unknown."""
    return stack.account


@remembered
def is_construct(value: object) -> bool:
    """Return whether a value is a construct, or an imported one."""
    # Not by the class: imports that the CDK returns as interfaces delegate to an inner object.
    return getattr(value, "node", None) is not None


@remembered
def account_and_region_of(resource: IConstruct) -> tuple[str, str] | None:
    """Return the account and the region of a resource; None if it has none."""
    environment = getattr(resource, "env", None)
    return None if environment is None else (environment.account, environment.region)


@remembered
def bucket_name_of(bucket: s3.IBucket) -> str:
    """Return the name of a bucket."""
    return bucket.bucket_name


@remembered
def bucket_arn_of(bucket: s3.IBucket) -> str:
    """Return the ARN of a bucket."""
    return bucket.bucket_arn


@remembered
def encryption_key_of(bucket: s3.IBucket) -> kms.IKey | None:
    """Return the key of a bucket; None for the keys of S3, or if it is unknown."""
    return bucket.encryption_key


@remembered
def key_arn_of(key: kms.IKey) -> str:
    """Return the ARN of a key."""
    return key.key_arn


@remembered
def role_arn_of(role: iam.IRole) -> str:
    """Return the ARN of a role."""
    return role.role_arn


@remembered
def function_arn_of(function: lambda_.IFunction) -> str:
    """Return the ARN of a function."""
    return function.function_arn


@remembered
def role_of(function: lambda_.IFunction) -> iam.IRole | None:
    """Return the role of a function; None if it is unknown."""
    return function.role


@remembered
def parent_of(construct: IConstruct) -> IConstruct | None:
    """Return the construct that a construct is declared in."""
    return construct.node.scope


_OF_TREE: Final = frozenset(_key(each) for each in (stack_of, stage_of, root_of))
