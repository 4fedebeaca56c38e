"""Requests that need the statements of resource policies, and the decisions on them.

The local AWS evaluates them on the policies of a deployment. They are not sent, because the local
AWS treats every request as sent over TLS, and does not distinguish TLS versions.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from ministack.core import iam_evaluator

from cdk_braket_local.control.instance import LocalAws

Document = dict[str, Any]

_ENCRYPTED: Final = "kms:EncryptionContext:aws:logs:arn"


@dataclass(frozen=True, slots=True)
class Request:
    """A call by a principal to which IAM allows everything.

    Attributes:
        action: The action.
        resource: The resource.
        service: The service that calls on its own behalf; empty for a role of the account.
        caller: A role without own permissions; empty for one to which IAM allows everything.
        is_secure: Whether it came over TLS.
        context: Its other condition keys.
    """

    action: str
    resource: str
    service: str = ""
    caller: str = ""
    is_secure: bool = True
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """A resource policy of a deployed stack.

    Attributes:
        holder: The logical id of the resource with the policy.
        arn: Its ARN.
        account: Its account.
        region: Its region.
        document: The policy.
    """

    holder: str
    arn: str
    account: str
    region: str
    document: Document

    def without(self, index: int) -> "Policy":
        """Return the same policy without one statement."""
        document = copy.deepcopy(self.document)
        del document["Statement"][index]
        return Policy(self.holder, self.arn, self.account, self.region, document)

    def _without_delegation(self) -> Document:
        """The document without the statement that delegates decisions to IAM policies."""
        kept = [s for s in self.document["Statement"] if ":root" not in str(s["Principal"])]
        return {**self.document, "Statement": kept}

    def allows(self, request: Request) -> bool:
        """Return whether the request is allowed."""
        context = iam_evaluator.EvalContext(
            principal_arn=request.service
            or request.caller
            or f"arn:aws:iam::{self.account}:role/Everything",
            principal_type="AssumedRole",
            principal_account=self.account,
            action=request.action,
            resource_arn=request.resource,
            region=self.region,
            secure_transport=request.is_secure,
            service_context=dict(request.context),
        )
        if request.service:
            found = iam_evaluator.evaluate_resource_policy(
                self.document, context, service=request.service
            )
            return bool(found.decision == "Allow")
        if request.caller:
            found = iam_evaluator.evaluate_resource_policy(self._without_delegation(), context)
            return bool(found.decision == "Allow")
        everything = iam_evaluator.EvalResult("Allow")
        is_key = request.action.startswith("kms:")
        found = iam_evaluator.combine_resource_policy(
            everything, context, self.document, self.account, required=is_key
        )
        return bool(found.decision == "Allow")


def policies(aws: LocalAws, stack: str) -> Iterator[Policy]:
    """Return the resource policies of a deployed stack, as stored in the services."""
    settings = aws.client_settings
    cloudformation = boto3.client("cloudformation", **settings)
    account = boto3.client("sts", **settings).get_caller_identity()["Account"]
    region = cloudformation.meta.region_name
    for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
        found = _READ.get(resource["ResourceType"])
        if found is not None:
            arn, text = found(aws, resource["PhysicalResourceId"], account, region)
            yield Policy(resource["LogicalResourceId"], arn, account, region, json.loads(text))


def requests(policy: Policy, statement: Mapping[str, Any]) -> tuple[list[Request], list[Request]]:
    """Yield requests that a statement decides, and others that differ in its conditions.

    Raises:
        KeyError: No request is known for this kind of statement.
    """
    conditions = statement.get("Condition", {})
    keys = frozenset(key for asked in conditions.values() for key in asked)
    principal = statement["Principal"]
    service = "" if principal == "*" else principal.get("Service", "")
    kind = (statement["Effect"], service.partition(".")[0], keys)
    return _REQUESTS[kind](policy, statement)


def _read_bucket(aws: LocalAws, name: str, *_: str) -> tuple[str, str]:
    policy = boto3.client("s3", **aws.client_settings).get_bucket_policy(Bucket=name)["Policy"]
    return f"arn:aws:s3:::{name}", policy


def _read_key(aws: LocalAws, key: str, account: str, region: str) -> tuple[str, str]:
    policy = boto3.client("kms", **aws.client_settings).get_key_policy(KeyId=key)["Policy"]
    return f"arn:aws:kms:{region}:{account}:key/{key}", policy


def _read_queue(aws: LocalAws, url: str, account: str, region: str) -> tuple[str, str]:
    sqs = boto3.client("sqs", **aws.client_settings)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    return f"arn:aws:sqs:{region}:{account}:{url.rpartition('/')[2]}", attributes["Policy"]


_READ: Final[Mapping[str, Callable[..., tuple[str, str]]]] = {
    "AWS::S3::Bucket": _read_bucket,
    "AWS::KMS::Key": _read_key,
    "AWS::SQS::Queue": _read_queue,
}


def _in_clear(policy: Policy, _: Mapping[str, Any]) -> tuple[list[Request], list[Request]]:
    call, on = ("sqs:SendMessage", policy.arn)
    if ":s3:" in policy.arn:
        call, on = ("s3:GetObject", f"{policy.arn}/jobs/results")
    return [Request(call, on, is_secure=False)], [Request(call, on)]


def _old_tls(policy: Policy, _: Mapping[str, Any]) -> tuple[list[Request], list[Request]]:
    def with_tls(version: str) -> Request:
        context = {"s3:tlsversion": version}
        return Request("s3:PutObject", f"{policy.arn}/jobs/results", context=context)

    return [with_tls("1.1")], [with_tls("1.2"), with_tls("1.3")]


def _access_logs(
    policy: Policy, statement: Mapping[str, Any]
) -> tuple[list[Request], list[Request]]:
    source = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    prefix = statement["Resource"].removesuffix("*")

    def delivered(key: str, bucket: str, account: str) -> Request:
        context = {"aws:sourcearn": bucket, "aws:sourceaccount": account}
        return Request("s3:PutObject", key, "logging.s3.amazonaws.com", context=context)

    return [delivered(f"{prefix}log", source, policy.account)], [
        delivered(f"{prefix}log", source, "999999999999"),
        delivered(f"{prefix}log", "arn:aws:s3:::others", policy.account),
        delivered(f"{policy.arn}/elsewhere/log", source, policy.account),
    ]


def _function_logs(
    policy: Policy, statement: Mapping[str, Any]
) -> tuple[list[Request], list[Request]]:
    group = statement["Condition"]["ArnLike"][_ENCRYPTED].removesuffix("*")
    service = statement["Principal"]["Service"]

    def encrypted(of_group: str, action: str = "kms:GenerateDataKey") -> Request:
        return Request(action, policy.arn, service, context={_ENCRYPTED.lower(): of_group})

    actions = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom")
    ours = [encrypted(f"{group}Logs", action) for action in actions]
    return [encrypted(f"{group}Logs"), *ours], [
        encrypted(f"{group}Logs".replace(policy.account, "999999999999")),
        encrypted(f"arn:aws:logs:{policy.region}:{policy.account}:log-group:x"),
        encrypted(f"{group}Logs", "kms:ScheduleKeyDeletion"),
    ]


def _task_results(
    policy: Policy, statement: Mapping[str, Any]
) -> tuple[list[Request], list[Request]]:
    roles = statement["Condition"]["ArnLike"]["aws:PrincipalArn"]
    role = f"{roles.removesuffix('*')}AWSServiceRoleForAmazonBraket"

    def written(
        by: str = role,
        via: str = f"s3.{policy.region}.amazonaws.com",
        account: str = policy.account,
    ) -> Request:
        context = {
            "aws:principalarn": by,
            "kms:calleraccount": account,
            "kms:viaservice": via,
        }
        return Request("kms:GenerateDataKey", policy.arn, caller=by, context=context)

    return [written()], [
        written(by=f"arn:aws:iam::{policy.account}:role/somebody"),
        written(via=f"sqs.{policy.region}.amazonaws.com"),
        written(account="999999999999"),
    ]


def _account_decides(policy: Policy, _: Mapping[str, Any]) -> tuple[list[Request], list[Request]]:
    actions = ("kms:Decrypt", "kms:GenerateDataKey", "kms:PutKeyPolicy")
    return [Request(action, policy.arn) for action in actions], []


_REQUESTS: Final = {
    ("Deny", "", frozenset({"aws:SecureTransport"})): _in_clear,
    ("Deny", "", frozenset({"s3:TlsVersion"})): _old_tls,
    ("Allow", "logging", frozenset({"aws:SourceArn", "aws:SourceAccount"})): _access_logs,
    ("Allow", "logs", frozenset({_ENCRYPTED})): _function_logs,
    (
        "Allow",
        "",
        frozenset({"aws:PrincipalArn", "kms:CallerAccount", "kms:ViaService"}),
    ): _task_results,
    ("Allow", "", frozenset()): _account_decides,
}
