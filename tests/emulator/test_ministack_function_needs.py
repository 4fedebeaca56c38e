"""Stacks whose functions need a missing module are refused before anything is created."""

import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.stacks import Stack

Json = Any
MISSING = "npm install --save-dev @aws-sdk/client-s3"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with nothing but the CDK CLI, in which a local AWS is started."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def aws(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    patch = pytest.MonkeyPatch()
    patch.chdir(project)
    patch.delenv("NODE_PATH", raising=False)
    with LocalAws.start(tmp_path_factory.mktemp("aws")) as started:
        patch.undo()
        trust: Json = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        trust |= {"Principal": {"Service": "lambda.amazonaws.com"}}
        boto3.client("iam", **started.client_settings).create_role(
            RoleName="r",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        yield started


@pytest.fixture
def with_module(project: Path) -> Iterator[str]:
    """Install a module, as `npm install` does; only its existence is checked."""
    folder = project / "node_modules" / "@aws-sdk" / "client-s3"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    yield "@aws-sdk/client-s3"
    shutil.rmtree(project / "node_modules")


IMPORTS = 'import { S3 } from "@aws-sdk/client-s3"; export const handler = async () => {};'
# One that MiniStack has a stand-in for, which `import` does not find.
IMPORTS_STAND_IN = 'import "@aws-sdk/client-ssm"; export const handler = async () => {};'


def function(code: Mapping[str, object], **more: object) -> Json:
    properties = {"Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/r"}
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Runtime": "nodejs22.x", **properties, "Code": code, **more},
    }


def refusal(aws: LocalAws, resources: Mapping[str, Json]) -> str:
    """The answer of CreateChangeSet; empty if it accepts the template. Nothing is created."""
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    try:
        cloudformation.create_change_set(
            StackName="needs",
            ChangeSetName="set",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_IAM"],
        )
    except ClientError as error:
        assert cloudformation.describe_stacks()["Stacks"] == []
        return error.response["Error"]["Message"]
    cloudformation.delete_stack(StackName="needs")
    return ""


def uploaded(aws: LocalAws, files: Mapping[str, str], key: str) -> Json:
    """An asset in the bootstrap bucket, as a template names it."""
    s3 = boto3.client("s3", **aws.client_settings)
    bucket = f"assets-{aws.account}-{aws.region}"
    s3.create_bucket(Bucket=bucket)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    by_name = {"Fn::Sub": "assets-${AWS::AccountId}-${AWS::Region}"}
    return {"S3Bucket": by_name, "S3Key": key}


REQUIRES = 'const s3 = require("@aws-sdk/client-s3"); exports.handler = async () => {};'


def test_a_function_without_its_module_is_refused(aws: LocalAws) -> None:
    code = uploaded(aws, {"index.js": REQUIRES}, "plain.zip")
    said = refusal(aws, {"F": function(code)})
    assert said.endswith(MISSING)
    assert refusal(aws, {"F": function({"ZipFile": REQUIRES})}).endswith(MISSING)


def test_a_runtime_that_depends_on_the_region_is_one_of_node(aws: LocalAws) -> None:
    code = uploaded(aws, {"index.js": REQUIRES}, "map.zip")
    runtime = {"Fn::FindInMap": ["Node", {"Ref": "AWS::Region"}, "value"]}
    assert refusal(aws, {"F": function(code, Runtime=runtime)}).endswith(MISSING)


def test_a_function_of_a_nested_stack_is_found(aws: LocalAws) -> None:
    code = uploaded(aws, {"index.js": REQUIRES}, "nested.zip")
    bucket = f"assets-{aws.account}-{aws.region}"
    s3 = boto3.client("s3", **aws.client_settings)
    template = json.dumps({"Resources": {"F": function(code)}})
    s3.put_object(Bucket=bucket, Key="nested.json", Body=template.encode())
    url = {"Fn::Join": ["", ["https://s3.", {"Ref": "AWS::Region"}, f".x/{bucket}/nested.json"]]}
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    assert refusal(aws, {"N": nested}).endswith(MISSING)


def test_a_module_that_is_installed_meanwhile_is_found(aws: LocalAws, with_module: str) -> None:
    assert with_module in REQUIRES
    assert refusal(aws, {"F": function({"ZipFile": REQUIRES})}) == ""


@pytest.mark.parametrize(
    ("files", "more"),
    [
        ({"index.js": "exports.handler = async () => {};"}, {}),
        ({"index.js": REQUIRES, "node_modules/@aws-sdk/client-s3/package.json": "{}"}, {}),
        ({"index.js": 'require("@aws-sdk/client-ssm")'}, {}),
        ({"index.js": f"/**\n * {IMPORTS}\n */\n// {REQUIRES}\n"}, {}),
        ({"index.py": REQUIRES}, {"Runtime": "python3.13"}),
        ({"index.js": REQUIRES}, {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]}),
    ],
    ids=["none", "bundled", "stand-in", "comments", "python", "layer"],
)
def test_a_function_that_lacks_nothing_is_accepted(
    aws: LocalAws,
    files: Mapping[str, str],
    more: Mapping[str, object],
    request: pytest.FixtureRequest,
) -> None:
    code = uploaded(aws, files, f"{request.node.name}.zip")
    assert refusal(aws, {"F": function(code, **more)}) == ""


@pytest.mark.parametrize(
    ("script", "module"),
    [
        (IMPORTS, "@aws-sdk/client-s3"),
        ('import*as s from"@aws-sdk/client-s3";', "@aws-sdk/client-s3"),
        ('export * from "@aws-sdk/client-s3";', "@aws-sdk/client-s3"),
        ('const s = await import("@aws-sdk/client-s3");', "@aws-sdk/client-s3"),
        (IMPORTS_STAND_IN, "@aws-sdk/client-ssm"),
        ('import "@smithy/types";', "@smithy/types"),
    ],
)
@pytest.mark.parametrize("name", ["index.mjs", "lib/index.js"])
def test_a_function_that_imports_a_module_is_refused_without_it(
    aws: LocalAws, script: str, module: str, name: str
) -> None:
    code = uploaded(aws, {name: script}, f"{uuid.uuid4()}.zip")
    assert refusal(aws, {"F": function(code)}).endswith(f"npm install --save-dev {module}")


def test_a_function_imports_a_module_that_is_installed(
    aws: LocalAws, project: Path, tmp_path: Path
) -> None:
    folder = project / "node_modules" / "@aws-sdk" / "client-s3"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"main": "index.js"}')
    (folder / "index.js").write_text("exports.S3 = 'installed in the project';")
    script = 'import { S3 } from "@aws-sdk/client-s3"; export const handler = async () => S3;'
    code = uploaded(aws, {"index.mjs": script}, "import.zip")
    stack = Stack(aws, tmp_path / "record")
    try:
        assert stack.create({"F": function(code, FunctionName="imports")}) == "CREATE_COMPLETE"
        answer = boto3.client("lambda", **aws.client_settings).invoke(FunctionName="imports")
        assert json.load(answer["Payload"]) == "installed in the project"
        assert stack.delete() == "DELETE_COMPLETE"
    finally:
        shutil.rmtree(project / "node_modules")


def call(service: str, **more: str) -> Json:
    return {
        "Type": "Custom::AWS",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["F", "Arn"]},
            "Create": json.dumps({"service": service, "action": "x", **more}),
        },
    }


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("S3", "@aws-sdk/client-s3"),
        ("@aws-sdk/client-s3", "@aws-sdk/client-s3"),
        ("ApiGatewayV2", "@aws-sdk/client-apigatewayv2"),
        ("Route53", "@aws-sdk/client-route-53"),
        ("ElasticLoadBalancingV2", "@aws-sdk/client-elastic-load-balancing-v2"),
    ],
)
def test_the_module_of_an_aws_custom_resource_is_required(
    aws: LocalAws, service: str, module: str
) -> None:
    handler = function({"ZipFile": 'require("@aws-sdk/credential-providers")'})
    said = refusal(aws, {"F": handler, "C": call(service)})
    assert said.endswith(f"npm install --save-dev {module}")
    role = call("SSM", assumedRoleArn="arn:aws:iam::000000000000:role/r")
    assert "credential-providers" in refusal(aws, {"F": handler, "C": role})
    assert refusal(aws, {"F": handler, "C": call("SSM")}) == ""


def test_a_bucket_deployment_is_refused_without_the_aws_cli(aws: LocalAws) -> None:
    resources = {"D": {"Type": "Custom::CDKBucketDeployment", "Properties": {"ServiceToken": "x"}}}
    if os.access("/opt/awscli/aws", os.X_OK):
        assert refusal(aws, resources) == ""
    else:
        assert 'ln -s "$(command -v aws)" /opt/awscli/aws' in refusal(aws, resources)


def test_an_aws_custom_resource_installs_nothing_on_the_machine() -> None:
    from cdk_braket_local.ministack_adapter.patches import custom_resources

    given: dict[str, Json] = {"ServiceToken": "arn", "InstallLatestAwsSdk": True}
    assert custom_resources._sent("Custom::AWS", given)["InstallLatestAwsSdk"] == "false"
    assert custom_resources._sent("Custom::Other", given)["InstallLatestAwsSdk"] == "true"
