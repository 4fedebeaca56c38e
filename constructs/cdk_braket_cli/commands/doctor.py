"""`cdk-braket doctor`: checks of the machine and the account before a deployment."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from cdk_braket._lambda.braket_jobs.api.model_rules import enum_values
from cdk_braket._lambda.braket_jobs.api.service_rules import SERVICE_LINKED_ROLE
from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command
from cdk_braket_cli.commands.open_console import local_endpoint
from cdk_braket_cli.errors import describe
from cdk_braket_cli.node_programs import find_program
from cdk_braket_cli.output import table, text
from cdk_braket_client.clients import Clients

OK: Final = "ok"
MISSING: Final = "missing"
UNKNOWN: Final = "not checked"

_STYLES: Final = {OK: "green", MISSING: "red", UNKNOWN: "yellow"}
_PROGRAM_SECONDS: Final = 60
# `engines` of the package aws-cdk.
_OLDEST_NODE: Final = 18
_CDK_MAJOR: Final = 2
# The templates of aws-cdk-lib 2 need this version of the bootstrap stack.
_OLDEST_BOOTSTRAP: Final = 6
_QUALIFIER: Final = "hnb659fds"
_DEFAULT_INSTANCE: Final = "ml.m5.large"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        state: `OK`, `MISSING` or `UNKNOWN`.
        detail: The outcome in words.
        fix: The fix, if something is missing.
    """

    state: str
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Settings:
    """The project and the account to check."""

    directory: Path
    environment: Mapping[str, str]
    clients: Clients
    instance_type: str
    qualifier: str


Check = Callable[[_Settings], Finding]


@command("doctor")
@click.option(
    "--instance-type",
    type=click.Choice(enum_values("InstanceType")),
    metavar="TYPE",
    default=_DEFAULT_INSTANCE,
    show_default=True,
    help="The instance type whose quota is checked.",
)
@click.option(
    "--qualifier",
    metavar="TEXT",
    default=None,
    help="The qualifier of the bootstrap. Default: that of cdk.json, else of the CDK CLI.",
)
def doctor(call: Call, instance_type: str, qualifier: str | None) -> int:
    """Check that a hybrid job can be deployed from here, and show the fix if not.

    Nothing is changed. The exit code is 1 if something is missing. A check that is not allowed, or
    that AWS offers no call for, is reported as not checked.
    """
    directory = Path.cwd()
    settings = _Settings(
        directory,
        os.environ,
        call.clients,
        instance_type,
        qualifier or _qualifier(directory / "cdk.json"),
    )
    findings: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        with call.out.progress(f"checking: {name}"):
            findings[name] = _checked(check, settings)
    rendered = table("CHECK", "RESULT", "DETAIL")
    for name, found in findings.items():
        detail = f"{found.detail}. {found.fix}" if found.fix else found.detail
        rendered.add_row(name, Text(found.state, style=_STYLES[found.state]), text(detail))
    call.out.show([_value(name, found) for name, found in findings.items()], rendered)
    is_missing = any(found.state == MISSING for found in findings.values())
    return exit_codes.ERROR if is_missing else exit_codes.OK


def _value(name: str, found: Finding) -> dict[str, object]:
    return {"check": name, "state": found.state, "detail": found.detail, "fix": found.fix}


def _checked(check: Check, settings: _Settings) -> Finding:
    try:
        return check(settings)
    except (ClientError, BotoCoreError) as error:
        return Finding(UNKNOWN, describe(error))


def _qualifier(cdk_json: Path) -> str:
    try:
        context = json.loads(cdk_json.read_text(encoding="utf-8")).get("context", {})
        found = context.get("@aws-cdk/core:bootstrapQualifier", _QUALIFIER)
    except (OSError, ValueError, AttributeError):
        return _QUALIFIER
    return found if isinstance(found, str) else _QUALIFIER


# --- The machine ----------------------------------------------------------------------------------


def _node(settings: _Settings) -> Finding:
    fix = f"Install Node {_OLDEST_NODE} or newer"
    version = _version("node", settings.directory)
    if version is None:
        return Finding(MISSING, "no Node on PATH", fix)
    if version[0] < _OLDEST_NODE:
        return Finding(MISSING, f"Node {_dotted(version)} is too old", fix)
    return Finding(OK, f"Node {_dotted(version)}")


def _cdk(settings: _Settings) -> Finding:
    fix = f"Run `npm install --save-dev aws-cdk@{_CDK_MAJOR}` in the project"
    version = _version("cdk", settings.directory)
    if version is None:
        return Finding(MISSING, "no CDK CLI in node_modules/.bin or on PATH", fix)
    if version[0] != _CDK_MAJOR:
        return Finding(MISSING, f"CDK CLI {_dotted(version)} does not read apps of CDK 2", fix)
    return Finding(OK, f"CDK CLI {_dotted(version)}, aws-cdk-lib {metadata.version('aws-cdk-lib')}")


def _version(program: str, directory: Path) -> tuple[int, ...] | None:
    path = find_program(program, directory)
    if path is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a program of the user's PATH
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found and done.returncode == 0 else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# --- The account ----------------------------------------------------------------------------------


def _endpoint(settings: _Settings) -> Finding:
    try:
        caller = settings.clients.sts.get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        # This call needs no permission.
        return Finding(MISSING, describe(error))
    endpoint = local_endpoint(settings.environment)
    where = f"the local AWS at {endpoint}" if endpoint else "AWS"
    return Finding(OK, f"{where}, account {caller['Account']}, as {caller['Arn']}")


def _region(settings: _Settings) -> Finding:
    region = settings.clients.braket.meta.region_name
    known = settings.clients.session.get_available_regions("braket")
    if region not in known:
        fix = f"Use one of {', '.join(known)}"
        return Finding(MISSING, f"Amazon Braket is not in {region}", fix)
    return Finding(OK, region)


def _bootstrap(settings: _Settings) -> Finding:
    account = settings.clients.sts.get_caller_identity()["Account"]
    region = settings.clients.braket.meta.region_name
    fix = f"Run `npx cdk bootstrap aws://{account}/{region}`"
    name = f"/cdk-bootstrap/{settings.qualifier}/version"
    try:
        answer: Any = settings.clients.other("ssm").get_parameter(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return Finding(MISSING, f"the account is not bootstrapped in {region}", fix)
    version = str(answer["Parameter"]["Value"])
    if not version.isdigit() or int(version) < _OLDEST_BOOTSTRAP:
        return Finding(MISSING, f"version {version} is too old", fix)
    return Finding(OK, f"version {version}")


def _service_linked_role(settings: _Settings) -> Finding:
    try:
        settings.clients.iam.get_role(RoleName=SERVICE_LINKED_ROLE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        fix = "Run `aws iam create-service-linked-role --aws-service-name braket.amazonaws.com`"
        return Finding(MISSING, f"Amazon Braket is not enabled: no {SERVICE_LINKED_ROLE}", fix)
    return Finding(OK, SERVICE_LINKED_ROLE)


def _quota(settings: _Settings) -> Finding:
    if local_endpoint(settings.environment):
        return Finding(UNKNOWN, "the local AWS has no quotas")
    client = settings.clients.other("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="braket")
    found = [quota for page in pages for quota in page["Quotas"]]
    words = re.compile(rf"{re.escape(settings.instance_type)}(?![\w.])")
    ours = [quota for quota in found if words.search(quota["QuotaName"])]
    if not ours:
        return Finding(UNKNOWN, f"no quota names {settings.instance_type}")
    quota = max(ours, key=lambda each: float(each["Value"]))
    detail = f"{quota['QuotaName']}: {quota['Value']:g}"
    if quota["Value"] <= 0:
        fix = f"Request an increase of the quota {quota.get('QuotaCode', '')} of Amazon Braket"
        return Finding(MISSING, detail, fix)
    return Finding(OK, detail)


def _user_agreement(settings: _Settings) -> Finding:
    if local_endpoint(settings.environment):
        return Finding(UNKNOWN, "the local AWS knows no user agreement")
    return Finding(
        UNKNOWN,
        "boto3 has no call for it. For quantum devices of other companies, accept the agreement "
        "once in the console of Amazon Braket, under Permissions and settings",
    )


CHECKS: Final[Mapping[str, Check]] = {
    "Node": _node,
    "CDK CLI": _cdk,
    "endpoint and credentials": _endpoint,
    "region": _region,
    "bootstrap": _bootstrap,
    "service-linked role": _service_linked_role,
    "quota": _quota,
    "user agreement": _user_agreement,
}
"""The checks, in the order of their execution."""
