"""CloudFormation's calls in a deployment, by the role that deploys.

The role of `cdk bootstrap` is an administrator, unless it is given other policies. The actions are
those of the resource types' own schemas, which CloudFormation publishes and cfn-lint contains.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.ledger.arns import is_of_type
from tests.ledger.calls import Call
from tests.ledger.deployment import Deployment, Resource
from tests.ledger.evaluator import describe
from tests.synth.support import ACCOUNT, REGION

DEPLOYMENT_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role"
_SCHEMAS: Final = (
    "https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html"
)
# CloudFormation invokes the function of a custom resource with the credentials of the deployment.
_SERVICE_ROLE: Final = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html"
)

# Resource types that only apps declare, and never this library.
_OF_USERS: Final = (
    "AWS::CloudFormation::*",
    "AWS::EC2::*",
    "AWS::SNS::*",
    "AWS::SSM::*",
)

# Actions of a schema for properties that no template has, by resource type.
UNUSED: Final = {
    "AWS::IAM::*": ("iam:*Group*", "iam:*User*", "iam:*Boundary"),
    "AWS::KMS::Key": ("kms:DisableKey", "kms:EnableKey"),
    "AWS::Lambda::Function": (
        "elasticfilesystem:*",
        "kms:*",
        "lambda:AssociateRuntimeAlias",
        "lambda:*FunctionCodeSigningConfig",
        "lambda:GetCodeSigningConfig",
        "lambda:GetLayerVersion",
        "lambda:PassCapacityProvider",
        "lambda:PublishVersion",
        "lambda:PutFunctionRecursionConfig",
        "lambda:PutFunctionScalingConfig",
        "lambda:PutRuntimeManagementConfig",
        "s3files:*",
    ),
    "AWS::Logs::LogGroup": (
        "firehose:*",
        "logs:*DataProtectionPolicy",
        "logs:*DeletionProtection",
        "logs:*IndexPolic*",
        "logs:*LogDelivery",
        "logs:*ResourcePolic*",
        "logs:PutBearerTokenAuthentication",
    ),
    "AWS::S3::Bucket": (
        "s3:*Accelerate*",
        "s3:*Acl",
        "s3:*Analytics*",
        "s3:*BucketAbac",
        "s3:*CORS",
        "s3:*IntelligentTiering*",
        "s3:*Inventory*",
        "s3:*Metadata*Table*",
        "s3:*Metrics*",
        "s3:*Notification",
        "s3:*ObjectLock*",
        "s3:*OwnershipControls",
        "s3:*Website",
        "s3:DeleteObject",
        "s3tables:*",
    ),
    "AWS::StepFunctions::StateMachine": ("kms:*", "s3:*"),
}

# The services that roles are passed to, and where a resource names the role.
_PASSED: Final = {
    "AWS::Lambda::Function": ("lambda.amazonaws.com", ("Role",)),
    "AWS::S3::Bucket": ("s3.amazonaws.com", ("ReplicationConfiguration", "Role")),
    "AWS::Scheduler::Schedule": ("scheduler.amazonaws.com", ("Target", "RoleArn")),
    "AWS::StepFunctions::StateMachine": ("states.amazonaws.com", ("RoleArn",)),
}


def deployment_calls(deployment: Deployment) -> Iterator[Call]:
    """CloudFormation's calls to create, update and delete resources of the library."""
    for resource in deployment.resources():
        if resource.kind.startswith("Custom::"):
            function = resource.properties["ServiceToken"]
            yield Call(DEPLOYMENT_ROLE, "lambda:InvokeFunction", function, _SERVICE_ROLE)
        elif is_ours(resource.kind):
            yield from _resource_calls(resource)


def is_ours(kind: str) -> bool:
    """Whether the library declares resources of a type."""
    return not any(fnmatchcase(kind, each) for each in (*_OF_USERS, "Custom::*"))


def _resource_calls(resource: Resource) -> Iterator[Call]:
    passed = _passed_role(resource)
    for action, patterns in actions_of(resource.kind).items():
        if action == "iam:PassRole":
            if passed is not None:
                service, _ = _PASSED[resource.kind]
                context = {"iam:PassedToService": service}
                yield Call(DEPLOYMENT_ROLE, action, passed, _SCHEMAS, context)
            continue
        if action.startswith("ec2:") and "VpcConfig" not in resource.properties:
            continue
        candidates = ["*"] if not patterns else _candidates(resource)
        for arn in candidates:
            if arn == "*" or any(is_of_type(arn, each) for each in patterns):
                yield Call(DEPLOYMENT_ROLE, action, arn, _SCHEMAS)


def _passed_role(resource: Resource) -> str | None:
    _, path = _PASSED.get(resource.kind, ("", ()))
    found: Any = resource.properties if path else None
    for name in path:
        found = (found or {}).get(name)
    return found if isinstance(found, str) else None


@cache
def schema_actions(kind: str) -> frozenset[str]:
    """The actions of a resource type's schema that create, update and delete it."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    handlers = schema["handlers"]
    named = [handlers.get(name, {}) for name in ("create", "update", "delete")]
    return frozenset(action for each in named for action in each.get("permissions", []))


def actions_named(kind: str) -> set[str]:
    """The actions of a schema without those for properties that no template has."""
    unused = [
        name for pattern, names in UNUSED.items() if fnmatchcase(kind, pattern) for name in names
    ]
    return {
        action
        for action in schema_actions(kind)
        if not any(fnmatchcase(action, each) for each in unused)
    }


@cache
def actions_of(kind: str) -> dict[str, list[str]]:
    """The actions that the templates need, with the ARNs of their resource types."""
    known = describe(actions_named(kind))
    return {action: found["resources"] for action, found in known.items() if found is not None}


def _candidates(resource: Resource) -> Iterator[str]:
    """The ARNs that a call for a resource can be on: its own, and those in its properties."""
    given = resource.properties
    yield resource.arn
    for name in given.get("Roles", []):
        yield f"arn:aws:iam::{ACCOUNT}:role/{name}"
    if resource.kind == "AWS::S3::BucketPolicy":
        yield f"arn:aws:s3:::{given['Bucket']}"
    if resource.kind == "AWS::KMS::Alias":
        yield f"arn:aws:kms:{resource.stack.region}:{ACCOUNT}:{given['AliasName']}"
    if resource.kind == "AWS::Lambda::Permission":
        yield given["FunctionName"]
    for url in given.get("Queues", []):
        yield f"arn:aws:sqs:{resource.stack.region}:{ACCOUNT}:{url}"
    code = given.get("Code", {})
    if "S3Bucket" in code:
        yield f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}"
