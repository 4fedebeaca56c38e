"""Tests of each line of the table of decisions: decided as on AWS, or shown not to be."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local import cli, coverage
from cdk_braket_local.control import instance
from cdk_braket_local.control.instance import ClientSettings, LocalAws
from cdk_braket_local.ministack_adapter import environment
from cdk_braket_local.ministack_adapter.patches import iam_delay
from tests.emulator import task_server
from tests.emulator.jobs import FINAL, TRUST, Jobs, Json
from tests.emulator.stacks import Stack
from tests.emulator.users import user_who_may
from tests.patience import PATIENCE

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "local-coverage.md"
ACCOUNT: Final = "000000000000"
ROOT: Final[Json] = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
USES: Final = ("kms:GenerateDataKey", "kms:Decrypt")
VIA_S3: Final = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
VIA_SQS: Final = {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}


def test_the_page_has_the_table() -> None:
    assert "\n".join(coverage.as_markdown()) in PAGE.read_text(encoding="utf-8")


def test_the_command_line_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--coverage"]) == 0
    printed = capsys.readouterr().out
    for decision in coverage.DECISIONS:
        assert decision.text.replace("`", "") in printed


# --- What the attempts need. ---


def _client(aws: LocalAws, service: str, settings: ClientSettings | None = None) -> Json:
    return boto3.client(service, **(settings or aws.client_settings))  # type: ignore[call-overload]


def _key(aws: LocalAws, *statements: Json) -> str:
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements or [ROOT]})
    return str(_client(aws, "kms").create_key(Policy=policy)["KeyMetadata"]["Arn"])


def _bucket(aws: LocalAws, key: str, *, bucket_key: bool = False) -> str:
    name = f"amazon-braket-{uuid.uuid4().hex[:12]}"
    s3 = _client(aws, "s3")
    s3.create_bucket(Bucket=name)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    return name


def _s3(aws: LocalAws, conditions: Mapping[str, Mapping[str, str]], *uses: str) -> Json:
    """A client of a user with all of S3, and with use of keys under these conditions."""
    user = user_who_may(aws, ["s3:*"])
    name = _client(aws, "sts", user).get_caller_identity()["Arn"].rpartition("/")[2]
    if uses:
        _allow(aws, name, list(uses), conditions)
    return _client(aws, "s3", user)


def _allow(
    aws: LocalAws, user: str, actions: list[str], conditions: Mapping[str, Mapping[str, str]]
) -> None:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": conditions}
    _client(aws, "iam").put_user_policy(
        UserName=user,
        PolicyName="keys",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def _trust(service: str) -> Json:
    return {**TRUST, "Principal": {"Service": service}}


def _role(aws: LocalAws, service: str) -> str:
    document = json.dumps({"Version": "2012-10-17", "Statement": [_trust(service)]})
    name = f"role-{uuid.uuid4().hex[:12]}"
    made = _client(aws, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])


def _refused(call: Callable[[], object], *codes: str) -> None:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] in (codes or ("AccessDenied",)), caught.value


# --- The decisions that are made. ---


def _identity_policies(aws: LocalAws, _folder: Path) -> None:
    bucket = Jobs(aws).bucket
    _s3(aws, {}).list_objects_v2(Bucket=bucket)
    user = user_who_may(aws, ["s3:GetObject"])
    _refused(lambda: _client(aws, "s3", user).list_objects_v2(Bucket=bucket))


def _written_object(aws: LocalAws, _folder: Path) -> None:
    bucket = _bucket(aws, _key(aws))

    def put(client: Json, key: str = "b") -> Callable[[], object]:
        return lambda: client.put_object(Bucket=bucket, Key=key, Body=b"x")

    put(_s3(aws, VIA_S3, "kms:GenerateDataKey"))()
    _refused(put(_s3(aws, {})))
    _refused(put(_s3(aws, {}, "kms:Decrypt")))
    _refused(put(_s3(aws, VIA_SQS, "kms:GenerateDataKey")))
    of_object = {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/b"}}
    put(_s3(aws, of_object, "kms:GenerateDataKey"))()
    _refused(put(_s3(aws, of_object, "kms:GenerateDataKey"), "c"))
    of_account = {"StringEquals": {"kms:CallerAccount": "111111111111"}}
    _refused(put(_s3(aws, of_account, "kms:GenerateDataKey")))
    # Each way of writing.
    nobody = _s3(aws, {}, "kms:Decrypt")
    _refused(lambda: nobody.create_multipart_upload(Bucket=bucket, Key="b"))
    _refused(
        lambda: nobody.copy_object(
            Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}
        )
    )
    # The key of the request, not of the bucket; and a bucket key, whose context is the bucket.
    plain = Jobs(aws).bucket
    named = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": _key(aws)}
    _refused(lambda: nobody.put_object(Bucket=plain, Key="b", Body=b"", **named))
    nobody.put_object(Bucket=plain, Key="b", Body=b"")
    shared = _bucket(aws, _key(aws), bucket_key=True)
    of_bucket = {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{shared}"}}
    _s3(aws, of_bucket, "kms:GenerateDataKey").put_object(Bucket=shared, Key="b", Body=b"")
    # The key policy has a say, too: without the account in it, IAM allows nothing.
    closed = _key(aws, {**ROOT, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}})
    other = _bucket(aws, closed)
    _refused(lambda: _s3(aws, {}, *USES).put_object(Bucket=other, Key="b", Body=b"x"))
    # A key that is gone is not used, whoever asks.
    gone = _key(aws)
    last = _bucket(aws, gone)
    _client(aws, "kms").disable_key(KeyId=gone)
    _refused(
        lambda: _client(aws, "s3").put_object(Bucket=last, Key="b", Body=b"x"),
        "KMS.DisabledException",
    )


def _read_object(aws: LocalAws, _folder: Path) -> None:
    bucket = _bucket(aws, _key(aws))
    reader, nobody = _s3(aws, VIA_S3, "kms:Decrypt"), _s3(aws, {}, "kms:GenerateDataKey")
    assert reader.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    _refused(lambda: nobody.get_object(Bucket=bucket, Key="a"))
    _refused(lambda: _s3(aws, VIA_SQS, "kms:Decrypt").get_object(Bucket=bucket, Key="a"))
    source = {"Bucket": bucket, "Key": "a"}
    plain = Jobs(aws).bucket
    reader.copy_object(Bucket=plain, Key="b", CopySource=source)
    _refused(lambda: nobody.copy_object(Bucket=plain, Key="b", CopySource=source))
    upload = nobody.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    _refused(
        lambda: nobody.upload_part(Bucket=bucket, Key="b", UploadId=upload, PartNumber=1, Body=b"x")
    )
    # Metadata is not encrypted.
    nobody.head_object(Bucket=bucket, Key="a")


def _encryption_context(aws: LocalAws, _folder: Path) -> None:
    key = _key(aws)
    condition = {"StringEquals": {"kms:EncryptionContext:purpose": "mine"}}
    user = _client(aws, "kms", user_who_may(aws, ["kms:Encrypt"], conditions=condition))
    user.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"purpose": "mine"})
    for context in ({"purpose": "yours"}, {}):
        _refused(
            lambda given=context: user.encrypt(  # type: ignore[misc]
                KeyId=key, Plaintext=b"x", EncryptionContext=given
            ),
            "AccessDeniedException",
        )


def _log_statement(group: str) -> Json:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    return {
        "Effect": "Allow",
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": [
            "kms:Encrypt*",
            "kms:Decrypt*",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:Describe*",
        ],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }


def _key_of_log_group(aws: LocalAws, folder: Path) -> None:
    logs, name = _client(aws, "logs"), f"group-{uuid.uuid4().hex[:12]}"
    for key in (_key(aws), _key(aws, ROOT, _log_statement("another"))):
        _refused(
            lambda given=key: logs.create_log_group(  # type: ignore[misc]
                logGroupName=name, kmsKeyId=given
            ),
            "InvalidParameterException",
        )
    allowed = _key(aws, ROOT, _log_statement(name))
    logs.create_log_group(logGroupName=name, kmsKeyId=allowed)
    logs.delete_log_group(logGroupName=name)

    def group(key: str) -> Json:
        properties = {"LogGroupName": name, "KmsKeyId": key}
        return {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}

    refused = Stack(aws, folder / "refused")
    assert refused.create(group(_key(aws))) == "ROLLBACK_COMPLETE"
    assert "does not allow kms:Encrypt" in refused.reasons()
    stack = Stack(aws, folder / "group")
    assert stack.create(group(allowed)) == "CREATE_COMPLETE", stack.reasons()
    assert stack.update(group(_key(aws))) == "UPDATE_ROLLBACK_COMPLETE"
    # One that CloudFormation names is named after its stack.
    named = Stack(aws, folder / "named")
    key = _key(aws, ROOT, _log_statement(f"{named.name}-Group-*"))
    unnamed: Json = {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"KmsKeyId": key}}}
    assert named.create(unnamed) == "CREATE_COMPLETE", named.reasons()
    name = named.physical_id("Group")
    unnamed["Group"]["Properties"]["RetentionInDays"] = "7"
    assert named.update(unnamed) == "UPDATE_COMPLETE", named.reasons()
    assert named.physical_id("Group") == name


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return 1")
    return buffer.getvalue()


def _function(aws: LocalAws, role: str, settings: ClientSettings | None = None) -> object:
    return _client(aws, "lambda", settings).create_function(
        FunctionName=f"f-{uuid.uuid4().hex[:12]}",
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": _archive()},
    )


_MACHINE: Final = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})


def _machine(aws: LocalAws, role: str, settings: ClientSettings | None = None) -> object:
    return _client(aws, "stepfunctions", settings).create_state_machine(
        name=f"m-{uuid.uuid4().hex[:12]}", definition=_MACHINE, roleArn=role
    )


_TARGET: Final = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:none"


def _schedule(aws: LocalAws, role: str, settings: ClientSettings | None = None) -> object:
    return _client(aws, "scheduler", settings).create_schedule(
        Name=f"s-{uuid.uuid4().hex[:12]}",
        ScheduleExpression="at(2999-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": _TARGET, "RoleArn": role},
    )


def _resource(kind: str, properties: Json) -> Json:
    return {"Made": {"Type": kind, "Properties": properties}}


def _in_template(
    aws: LocalAws, folder: Path, service: str, resource: Callable[[Json], Json]
) -> None:
    """A resource is created with a role that trusts its service, and not with another's."""
    arn = {"Fn::GetAtt": ["Given", "Arn"]}

    def resources(trusted: str) -> Json:
        document = {"Version": "2012-10-17", "Statement": [_trust(trusted)]}
        given = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
        return {"Given": given, **resource(arn)}

    stack = Stack(aws, folder / "right")
    assert stack.create(resources(service)) == "CREATE_COMPLETE", stack.reasons()
    assert Stack(aws, folder / "wrong").create(resources("ec2.amazonaws.com")) == (
        "ROLLBACK_COMPLETE"
    )


def _role_of_function(aws: LocalAws, folder: Path) -> None:
    _function(aws, _role(aws, "lambda.amazonaws.com"))
    _refused(
        lambda: _function(aws, _role(aws, "ec2.amazonaws.com")), "InvalidParameterValueException"
    )
    code = {"ZipFile": "def handler(event, context): return 1"}
    function = {"Runtime": "python3.12", "Handler": "index.handler", "Code": code}
    _in_template(
        aws,
        folder,
        "lambda.amazonaws.com",
        lambda role: _resource("AWS::Lambda::Function", {**function, "Role": role}),
    )


def _role_of_state_machine(aws: LocalAws, folder: Path) -> None:
    _machine(aws, _role(aws, "states.amazonaws.com"))
    _refused(lambda: _machine(aws, _role(aws, "ec2.amazonaws.com")), "AccessDeniedException")
    kind = "AWS::StepFunctions::StateMachine"
    _in_template(
        aws,
        folder,
        "states.amazonaws.com",
        lambda role: _resource(kind, {"DefinitionString": _MACHINE, "RoleArn": role}),
    )


def _role_of_schedule(aws: LocalAws, folder: Path) -> None:
    _schedule(aws, _role(aws, "scheduler.amazonaws.com"))
    _refused(lambda: _schedule(aws, _role(aws, "ec2.amazonaws.com")), "ValidationException")
    schedule = {
        "ScheduleExpression": "at(2999-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
    }
    _in_template(
        aws,
        folder,
        "scheduler.amazonaws.com",
        lambda role: _resource(
            "AWS::Scheduler::Schedule",
            {**schedule, "Target": {"Arn": _TARGET, "RoleArn": role}},
        ),
    )


def _role_of_job(aws: LocalAws, _folder: Path) -> None:
    job = Jobs(aws, trust=_trust("ec2.amazonaws.com")).run("def main(): pass")
    assert "sts:AssumeRole" in job["failureReason"]


def _pass_role(aws: LocalAws, _folder: Path) -> None:
    calls = {
        "lambda": (_function, "lambda:CreateFunction"),
        "states": (_machine, "states:CreateStateMachine"),
        "scheduler": (_schedule, "scheduler:CreateSchedule"),
    }
    for name, (call, action) in calls.items():
        role = _role(aws, f"{name}.amazonaws.com")
        for passed_to, is_allowed in (
            (f"{name}.amazonaws.com", True),
            ("ec2.amazonaws.com", False),
        ):
            user = user_who_may(aws, [action])
            caller = _client(aws, "sts", user).get_caller_identity()["Arn"].rpartition("/")[2]
            condition = {"StringEquals": {"iam:PassedToService": passed_to}}
            _allow(aws, caller, ["iam:PassRole"], condition)
            if is_allowed:
                call(aws, role, user)
            else:
                _refused(lambda: call(aws, role, user), "AccessDeniedException")  # noqa: B023 - called here


def _inline_policy_names(aws: LocalAws, folder: Path) -> None:
    role = _role(aws, "lambda.amazonaws.com").rpartition("/")[2]
    iam = _client(aws, "iam")

    def policy(action: str) -> Json:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        properties = {"PolicyName": "same", "Roles": [role], "PolicyDocument": document}
        return _resource("AWS::IAM::Policy", properties)

    first, second = Stack(aws, folder / "first"), Stack(aws, folder / "second")
    first.create(policy("s3:GetObject"))
    second.create(policy("s3:PutObject"))
    document = iam.get_role_policy(RoleName=role, PolicyName="same")["PolicyDocument"]
    assert document["Statement"][0]["Action"] == "s3:PutObject", "the first is replaced"
    first.delete()
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == [], (
        "and the second is taken away"
    )


def _bucket_region(aws: LocalAws, _folder: Path) -> None:
    jobs = Jobs(aws)
    away = f"amazon-braket-{uuid.uuid4().hex[:12]}"
    settings = {**aws.client_settings, "region_name": "eu-west-2"}
    boto3.client("s3", **settings).create_bucket(  # type: ignore[call-overload]
        Bucket=away, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
    )
    job = jobs.run("def main(): pass", outputDataConfig={"s3Path": f"s3://{away}/results"})
    assert f"the bucket {away} is in eu-west-2" in job["failureReason"]


_SERVICE_LINKED_ROLES: Final = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/braket.amazonaws.com/*"
)
# The statement of a key policy that lets Amazon Braket store the results of tasks.
_FOR_TASKS: Final[Json] = {
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": list(USES),
    "Resource": "*",
    "Condition": {
        "StringEquals": {
            "kms:CallerAccount": ACCOUNT,
            "kms:ViaService": "s3.us-east-1.amazonaws.com",
        },
        "ArnLike": {"aws:PrincipalArn": _SERVICE_LINKED_ROLES},
    },
}


def _service_linked_role(_aws: LocalAws, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        server = ("-P", str(Path(__file__).with_name("task_server.py")))
        patched.setattr(instance, "_SERVER", server)
        with LocalAws.start(folder / "aws") as aws:
            text = (aws.state_directory / task_server.CREDENTIALS).read_text(encoding="utf-8")
            found = json.loads(text)
            s3 = boto3.client(
                "s3",
                endpoint_url=aws.endpoint_url,
                region_name=aws.region,
                aws_access_key_id=found["access_key_id"],
                aws_secret_access_key=found["secret_access_key"],
                aws_session_token=found["session_token"],
            )
            _try_to_store_results(aws, s3)


def _try_to_store_results(aws: LocalAws, s3: Json) -> None:
    def store(bucket: str) -> object:
        return s3.put_object(Bucket=bucket, Key="jobs/a/tasks/1/results.json", Body=b"{}")

    store(Jobs(aws).bucket)
    mine = f"mine-{uuid.uuid4().hex[:12]}"
    _client(aws, "s3").create_bucket(Bucket=mine)
    _refused(lambda: store(mine))
    store(_bucket(aws, _key(aws, ROOT, _FOR_TASKS)))
    # Its policy holds nothing of KMS, so that the account in the key policy is not enough.
    _refused(lambda: store(_bucket(aws, _key(aws))))
    # Nobody else profits from the statement.
    others = _key(aws, {**ROOT, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/a"}}, _FOR_TASKS)
    _refused(lambda: _s3(aws, {}).put_object(Bucket=_bucket(aws, others), Key="a", Body=b""))


def _managed_devices(aws: LocalAws, _folder: Path) -> None:
    every = ["braket:CreateQuantumTask", "braket:GetQuantumTask", "s3:ListBucket"]
    program = {"name": "braket.ir.openqasm.program", "version": "1"}
    source = "OPENQASM 3;\nqubit[1] q;\nx q[0];"

    def create(bucket: str, actions: list[str]) -> str:
        request = {
            "clientToken": str(uuid.uuid4()),
            "deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
            "shots": 1,
            "outputS3Bucket": bucket,
            "outputS3KeyPrefix": "tasks",
            "action": json.dumps({"braketSchemaHeader": program, "source": source}),
        }
        braket = _client(aws, "braket", user_who_may(aws, actions))
        return str(braket.create_quantum_task(**request)["quantumTaskArn"])

    def status(bucket: str) -> str:
        braket, task = _client(aws, "braket"), create(bucket, every)
        deadline = time.monotonic() + PATIENCE
        while (found := braket.get_quantum_task(quantumTaskArn=task)["status"]) not in FINAL:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return str(found)

    plain = Jobs(aws).bucket
    assert status(plain) == "COMPLETED"
    _refused(lambda: create(plain, every[1:]), "AccessDeniedException")
    _refused(lambda: create(plain, every[:2]), "ValidationException")
    assert status(_bucket(aws, _key(aws, ROOT, _FOR_TASKS))) == "COMPLETED"
    assert status(_bucket(aws, _key(aws))) == "FAILED"


def _principal_arn(aws: LocalAws, _folder: Path) -> None:
    jobs = Jobs(aws)
    script = "import boto3\ndef main():\n    boto3.client('sqs').list_queues()\n"
    for arn, status in ((jobs.role_arn, "COMPLETED"), (f"{jobs.role_arn}x", "FAILED")):
        statement = {
            "Effect": "Allow",
            "Action": "sqs:ListQueues",
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": arn}},
        }
        _client(aws, "iam").put_role_policy(
            RoleName=jobs.name,
            PolicyName="queues",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        assert jobs.run(script)["status"] == status


def _iam_delay(_aws: LocalAws, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(environment.IAM_DELAY, "600")
        with LocalAws.start(folder / "late") as late:
            user = _client(late, "s3", user_who_may(late, ["s3:*"]))
            # Longer than it takes to notice a change.
            time.sleep(1)
            _refused(user.list_buckets)
        patched.setenv(environment.IAM_DELAY, "1")
        with LocalAws.start(folder / "soon") as soon:
            user = _client(soon, "s3", user_who_may(soon, ["s3:*"]))
            deadline = time.monotonic() + 120
            while not _may_list(user):
                assert time.monotonic() < deadline, "the policy never takes effect"
                time.sleep(0.2)


def _may_list(client: Json) -> bool:
    try:
        client.list_buckets()
    except ClientError:
        return False
    return True


# --- Decisions that are not made, seen where the local AWS has the call at all. ---


def _trust_afterwards(aws: LocalAws, _folder: Path) -> None:
    role = _role(aws, "lambda.amazonaws.com")
    made: Json = _function(aws, role)
    document = json.dumps({"Version": "2012-10-17", "Statement": [_trust("ec2.amazonaws.com")]})
    _client(aws, "iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=document
    )
    _client(aws, "lambda").invoke(FunctionName=made["FunctionName"])


def _key_for_root(aws: LocalAws, _folder: Path) -> None:
    closed = _key(aws, {**ROOT, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}})
    _client(aws, "kms").encrypt(KeyId=closed, Plaintext=b"x")


def _key_grants(aws: LocalAws, _folder: Path) -> None:
    key = _key(aws)
    user = user_who_may(aws, ["s3:ListBucket"])
    arn = _client(aws, "sts", user).get_caller_identity()["Arn"]
    _client(aws, "kms").create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt"])
    _refused(
        lambda: _client(aws, "kms", user).encrypt(KeyId=key, Plaintext=b"x"),
        "AccessDeniedException",
    )


_ATTEMPTS: Final[Mapping[str, Callable[[LocalAws, Path], None]]] = {
    "identity-policies": _identity_policies,
    "key-of-written-object": _written_object,
    "key-of-read-object": _read_object,
    "encryption-context": _encryption_context,
    "key-of-log-group": _key_of_log_group,
    "role-of-function": _role_of_function,
    "role-of-state-machine": _role_of_state_machine,
    "role-of-schedule": _role_of_schedule,
    "role-of-job": _role_of_job,
    "pass-role": _pass_role,
    "inline-policy-names": _inline_policy_names,
    "bucket-region": _bucket_region,
    "service-linked-role": _service_linked_role,
    "managed-devices": _managed_devices,
    "principal-arn": _principal_arn,
    "iam-delay": _iam_delay,
    "trust-afterwards": _trust_afterwards,
    "key-for-root": _key_for_root,
    "key-grants": _key_grants,
}


def _tried() -> Iterator[str]:
    for decision in coverage.DECISIONS:
        if decision.is_made or decision.name in _ATTEMPTS:
            yield decision.name


@pytest.mark.parametrize("name", list(_tried()))
def test_the_table_is_true(local_aws: LocalAws, tmp_path: Path, name: str) -> None:
    _ATTEMPTS[name](local_aws, tmp_path)


def test_no_attempt_is_without_a_line() -> None:
    assert _ATTEMPTS.keys() <= {decision.name for decision in coverage.DECISIONS}


# --- The delay of IAM. ---


@pytest.mark.parametrize("text", ["soon", "-1", "601", "nan"])
def test_a_delay_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"CDK_BRAKET_LOCAL_IAM_DELAY: expected seconds from 0"):
        environment.iam_delay(text)


def test_changes_take_effect_after_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    policies: Json = {"a": []}
    history = iam_delay.History(lambda name, _account: list(policies[name]), 20)

    def seen(at: float) -> Json:
        nonlocal now
        now = at
        history._note({("1", name): list(found) for name, found in policies.items()}, now)
        return history.policies("a", "1")

    policies["a"] = ["old"]
    assert seen(0) == []
    assert seen(19) == []
    assert seen(20) == ["old"]
    policies["a"] = ["new"]
    assert seen(30) == ["old"]
    assert seen(50) == ["new"]
    del policies["a"]
    assert seen(60) == []
    policies["a"] = ["new"]
    assert seen(61) == [], "a role that was deleted and comes back is another"
    assert history.policies("b", "1") == []
