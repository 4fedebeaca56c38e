"""The roles' permissions: all that are needed, and no others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, CfnParameter, Stack, Token
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
)
from tests.synth.support import (
    LOCAL,
    allowed,
    image_job,
    new_stack,
    only,
    request_of,
    resources,
    script,
    statements,
    text,
)

_JOB_ROLE = "EnvironmentRole"
_HANDLER_ROLE = "HandlerRole"
_REPOSITORY = "arn:<{'Ref': 'AWS::Partition'}>:ecr:us-east-1:292282985366:repository/"


def _short(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs with references to our resources as names, and the partition as `aws`."""
    names = {
        "InputsBucket": "inputs",
        "ResultsBucket": "results",
        "EnvironmentKey": "key",
        "EnvironmentRole": "role",
        "HandlerLogs": "logs",
        "HandlerDeadLetters": "dead letters",
    }
    short = set()
    for action, resource in pairs:
        found = resource.replace("<{'Ref': 'AWS::Partition'}>", "aws")
        for part, name in names.items():
            if found.startswith("<") and part in found:
                found = f"<{name}>{found.partition('>')[2]}"
        short.add((action, found))
    return short


def test_a_job_on_an_embedded_simulator_reaches_its_environment_and_nothing_else() -> None:
    stack = new_stack()
    image_job(stack)
    logs = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/braket/jobs:*"
    repository = "arn:aws:ecr:us-east-1:292282985366:repository/amazon-braket-base-jobs"
    assert _short(allowed(stack, _JOB_ROLE)) == {
        ("s3:GetObject", "<inputs>/scripts/*"),
        ("s3:GetObject", "<inputs>/inputs/*"),
        ("s3:ListBucket", "<inputs>"),
        ("s3:GetObject", "<results>/jobs/*"),
        ("s3:PutObject", "<results>/jobs/*"),
        ("s3:ListBucket", "<results>"),
        ("kms:Decrypt", "<key>"),
        ("kms:DescribeKey", "<key>"),
        ("kms:Encrypt", "<key>"),
        ("kms:GenerateDataKey", "<key>"),
        ("logs:CreateLogGroup", logs),
        ("logs:CreateLogStream", logs),
        ("logs:DescribeLogStreams", logs),
        ("logs:PutLogEvents", logs),
        ("cloudwatch:PutMetricData", "*"),
        ("ecr:BatchCheckLayerAvailability", repository),
        ("ecr:BatchGetImage", repository),
        ("ecr:GetDownloadUrlForLayer", repository),
        ("ecr:GetAuthorizationToken", "*"),
    }


def test_wildcards_have_conditions_where_there_is_one() -> None:
    stack = new_stack()
    image_job(stack)
    conditions = {str(s["Action"]): s.get("Condition") for s in statements(stack, _JOB_ROLE)}
    assert conditions["cloudwatch:PutMetricData"] == {
        "StringEquals": {"cloudwatch:namespace": "/aws/braket"}
    }
    lists = [s for s in statements(stack, _JOB_ROLE) if s["Action"] == "s3:ListBucket"]
    assert all("s3:prefix" in str(s["Condition"]) for s in lists)


def test_the_job_can_reach_neither_the_records_nor_jobs() -> None:
    stack = new_stack()
    image_job(stack)
    for action, resource in allowed(stack, _JOB_ROLE):
        assert ".cdk-braket" not in resource
        assert not action.startswith(("iam:", "lambda:", "braket:"))


def test_only_braket_assumes_the_role() -> None:
    stack = new_stack()
    image_job(stack)
    [role] = [r for n, r in resources(stack, "AWS::IAM::Role").items() if _JOB_ROLE in n]
    assert "'Service': 'braket.amazonaws.com'" in text(role["Properties"])
    assert "ManagedPolicyArns" not in str(role["Properties"])


@pytest.mark.parametrize(
    ("device", "region"),
    [
        (Device.AMAZON_SV1, "us-east-1"),
        (Device.AMAZON_SV1, "eu-west-2"),
        (Device.IONQ_FORTE_1, "us-east-1"),
        (Device.IQM_GARNET, "eu-north-1"),
    ],
)
def test_a_job_on_a_managed_device_may_run_tasks_on_that_device_in_its_region(
    device: Device, region: str
) -> None:
    stack = new_stack(region=region)
    HybridJob(stack, "Job", image=ContainerImage.base(), device=device)
    tasks = f"arn:aws:braket:{region}:111122223333:quantum-task/*"
    braket = {p for p in _short(allowed(stack, _JOB_ROLE)) if p[0].startswith("braket:")}
    assert braket == {
        ("braket:GetDevice", device.arn),
        ("braket:CreateQuantumTask", device.arn),
        ("braket:CreateQuantumTask", tasks),
        ("braket:CancelQuantumTask", tasks),
        ("braket:GetQuantumTask", tasks),
    }


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        (Device.IQM_GARNET.arn, "eu-north-1"),
        (Device.AMAZON_SV1.arn, "<{'Ref': 'AWS::Region'}>"),
        (Token.as_string({"Ref": "Device"}), "<{'Ref': 'AWS::Region'}>"),
        (
            f"arn:aws:braket:{Token.as_string({'Ref': 'There'})}::device/qpu/a/b",
            "<{'Ref': 'There'}>",
        ),
    ],
    # The workers that share the tests have to give them the same names, and tokens are counted.
    ids=["of a region", "of none", "a token", "with a token"],
)
def test_tasks_are_in_the_devices_region_where_it_is_known_and_else_in_the_stacks(
    arn: str, region: str
) -> None:
    stack = new_stack(region=None)
    HybridJob(stack, "Job", image=ContainerImage.base(), device=Device.from_arn(arn))
    tasks = {resource for _, resource in allowed(stack, _JOB_ROLE) if ":quantum-task/" in resource}
    account = "<{'Ref': 'AWS::AccountId'}>"
    partition = "<{'Ref': 'AWS::Partition'}>"
    assert tasks == {f"arn:{partition}:braket:{region}:{account}:quantum-task/*"}


def test_a_device_that_is_allowed_for_jobs_of_other_apps_is_so_in_the_environments_region() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment").allow_device(Device.AMAZON_SV1)
    tasks = {r for a, r in allowed(stack, _JOB_ROLE) if a == "braket:CancelQuantumTask"}
    partition = "<{'Ref': 'AWS::Partition'}>"
    assert tasks == {f"arn:{partition}:braket:us-east-1:111122223333:quantum-task/*"}


def test_inputs_and_script_in_s3_are_readable_and_no_more_of_their_buckets() -> None:
    stack = new_stack()
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/mine")
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "Bucket", bucket_name="amazon-braket-mine", encryption_key=key
    )
    HybridJob(
        stack,
        "Job",
        algorithm=AlgorithmScript.from_bucket(bucket, "algo.tar.gz", entry_point="algo:run"),
        input_data={
            "bucket": InputChannel.from_bucket(bucket, "in/"),
            "uri": InputChannel.from_s3_uri("s3://amazon-braket-other/data"),
            "https": InputChannel.from_s3_uri(
                "https://amazon-braket-web.s3.us-east-1.amazonaws.com/data"
            ),
        },
        device=LOCAL,
    )
    theirs = {p for p in _short(allowed(stack, _JOB_ROLE)) if "amazon-braket-" in p[1]}
    theirs = {p for p in theirs if p[0].startswith("s3:")}
    arn = "arn:aws:s3:::amazon-braket-"
    assert theirs == {
        ("s3:GetObject", f"{arn}mine/algo.tar.gz"),
        ("s3:GetObject", f"{arn}mine/in/*"),
        ("s3:ListBucket", f"{arn}mine"),
        ("s3:GetObject", f"{arn}other/data*"),
        ("s3:ListBucket", f"{arn}other"),
        ("s3:GetObject", f"{arn}web/data*"),
        ("s3:ListBucket", f"{arn}web"),
    }
    assert ("kms:Decrypt", key.key_arn) in allowed(stack, _JOB_ROLE)


# What is more than itself to IAM, and how a policy says that it is not. Source:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
_HOSTILE = "a*b?c$d${aws:username}"
_ESCAPED = "a${*}b${?}c${$}d${$}{aws:username}"


def _prefixes(stack: Stack, role_part: str) -> set[str]:
    """The prefixes that the conditions on listing allow."""
    conditions = [s.get("Condition") for s in statements(stack, role_part)]
    return {
        text(prefix)
        for each in conditions
        if isinstance(each, dict) and "StringLike" in each
        for prefix in each["StringLike"]["s3:prefix"]
    }


def test_keys_and_prefixes_are_no_patterns_in_policies() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    user = iam.User(stack, "Somebody")
    job = HybridJob(
        stack,
        "Job",
        algorithm=AlgorithmScript.from_bucket(bucket, f"{_HOSTILE}.py", entry_point="algo"),
        device=LOCAL,
        input_data={
            "bucket": InputChannel.from_bucket(bucket, f"in/{_HOSTILE}"),
            "uri": InputChannel.from_s3_uri(f"s3://amazon-braket-mine/uri/{_HOSTILE}"),
        },
        output_data=OutputData(bucket=bucket, prefix=f"out/{_HOSTILE}"),
        checkpoint=Checkpoint(bucket=bucket, prefix=f"kept/{_HOSTILE}"),
        copy_checkpoints_from=CheckpointSource.from_bucket(bucket, f"from/{_HOSTILE}"),
    )
    job.grant_read_results(user)
    job.grant_write_input(user, "uri")
    arn = "arn:aws:s3:::amazon-braket-mine/"
    of_roles = {
        part: {p for p in _short(allowed(stack, part)) if p[1].startswith(arn)}
        for part in (_JOB_ROLE, _HANDLER_ROLE, "Somebody")
    }
    assert of_roles == {
        _JOB_ROLE: {
            ("s3:GetObject", f"{arn}{_ESCAPED}.py"),
            ("s3:GetObject", f"{arn}in/{_ESCAPED}*"),
            ("s3:GetObject", f"{arn}uri/{_ESCAPED}*"),
            ("s3:GetObject", f"{arn}out/{_ESCAPED}/*"),
            ("s3:PutObject", f"{arn}out/{_ESCAPED}/*"),
            ("s3:GetObject", f"{arn}kept/{_ESCAPED}/*"),
            ("s3:PutObject", f"{arn}kept/{_ESCAPED}/*"),
        },
        _HANDLER_ROLE: {
            ("s3:GetObject", f"{arn}{_ESCAPED}.py"),
            ("s3:GetObject", f"{arn}from/{_ESCAPED}*"),
            ("s3:GetObject", f"{arn}kept/{_ESCAPED}/*"),
            ("s3:PutObject", f"{arn}kept/{_ESCAPED}/*"),
        },
        "Somebody": {
            ("s3:GetObject", f"{arn}out/{_ESCAPED}/*"),
            ("s3:PutObject", f"{arn}uri/{_ESCAPED}*"),
        },
    }
    assert _prefixes(stack, _JOB_ROLE) >= {f"in/{_ESCAPED}*", f"out/{_ESCAPED}/*"}
    assert _prefixes(stack, _HANDLER_ROLE) >= {f"from/{_ESCAPED}*"}
    assert _prefixes(stack, "Somebody") == {f"out/{_ESCAPED}/*"}


def test_the_request_names_keys_as_they_are() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        input_data={"data": InputChannel.from_bucket(bucket, _HOSTILE)},
        output_data=OutputData(bucket=bucket, prefix=_HOSTILE),
    )
    request = json.dumps(request_of(stack))
    assert f'"s3://amazon-braket-mine/{_HOSTILE}"' in request
    assert f'"s3://amazon-braket-mine/{_HOSTILE}/RUNID' in request


def test_the_prefix_of_an_isolated_job_is_no_pattern() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Shared")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        environment=environment,
        isolated=True,
        output_data=OutputData(prefix=_HOSTILE),
    )
    written = {r for a, r in allowed(stack, "JobRole") if a == "s3:PutObject"}
    assert any(resource.endswith(f"/{_ESCAPED}/*") for resource in written)
    assert not any("a*b" in resource for _, resource in allowed(stack, "JobRole"))
    assert f"{_ESCAPED}/*" in _prefixes(stack, "JobRole")


def test_the_string_around_a_token_is_escaped() -> None:
    stack = new_stack()
    part = CfnParameter(stack, "Part").value_as_string
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        input_data={
            "bucket": InputChannel.from_bucket(bucket, f"a*{part}$"),
            "uri": InputChannel.from_s3_uri(f"s3://amazon-braket-mine/b?{part}"),
        },
    )
    of_the_bucket = {r for a, r in allowed(stack, _JOB_ROLE) if a == "s3:GetObject"}
    assert any(r.endswith("-mine/a${*}<{'Ref': 'Part'}>${$}*") for r in of_the_bucket)
    of_the_uri = {r for a, r in allowed(stack, "JobLatePolicy") if a == "s3:GetObject"}
    assert any("/b${?}" in r and "/b?" not in r for r in of_the_uri)


def test_an_input_that_is_known_at_deploy_time_only_is_readable_too() -> None:
    stack = new_stack()
    uri = CfnParameter(stack, "Uri").value_as_string
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        input_data={"data": InputChannel.from_s3_uri(uri)},
        device=LOCAL,
    )
    theirs = [p for p in _short(allowed(stack, "JobLatePolicy")) if "'Uri'" in p[1]]
    assert sorted(action for action, _ in theirs) == ["s3:GetObject", "s3:ListBucket"]


def test_buckets_of_the_users_for_results_and_checkpoints_are_writable_there() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        output_data=OutputData(bucket=bucket, prefix="out"),
        checkpoint=Checkpoint(bucket=bucket),
    )
    written = {p[1] for p in _short(allowed(stack, _JOB_ROLE)) if p[0] == "s3:PutObject"}
    assert written == {
        "<results>/jobs/*",
        "arn:aws:s3:::amazon-braket-mine/out/*",
        "arn:aws:s3:::amazon-braket-mine/jobs/Stack-Job/*",
    }


def test_a_role_of_the_app_receives_the_permissions_of_the_job() -> None:
    stack = new_stack()
    role = iam.Role(stack, "Mine", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
    job = HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, role=role)
    assert job.role is role
    actions = {action for action, _ in allowed(stack, "MineDefaultPolicy")}
    assert {"s3:GetObject", "s3:PutObject", "ecr:BatchGetImage", "logs:PutLogEvents"} <= actions
    assert "Mine" in str([p for p in allowed(stack, _HANDLER_ROLE) if p[0] == "iam:PassRole"])


def test_nothing_is_attached_to_an_imported_role() -> None:
    stack = new_stack()
    role = iam.Role.from_role_arn(stack, "Theirs", "arn:aws:iam::111122223333:role/theirs")
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, role=role)
    assert not [name for name in resources(stack, "AWS::IAM::Policy") if "Theirs" in name]
    assert ("iam:PassRole", role.role_arn) in allowed(stack, _HANDLER_ROLE)


def test_a_grant_to_the_job_is_a_grant_to_its_role() -> None:
    stack = new_stack()
    job = image_job(stack)
    s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine").grant_read(job)
    assert any("amazon-braket-mine" in resource for _, resource in allowed(stack, _JOB_ROLE))


def test_the_handler_has_exactly_the_listed_permissions(tmp_path: Path) -> None:
    stack = new_stack()
    HybridJob(stack, "Job", algorithm=script(tmp_path), device=LOCAL)
    jobs = "arn:aws:braket:us-east-1:111122223333:job/*"
    assets = "arn:aws:s3:::cdk-hnb659fds-assets-111122223333-us-east-1"
    roles, braket_role = "arn:aws:iam::111122223333:role", "AWSServiceRoleForAmazonBraket"
    assert _short(allowed(stack, _HANDLER_ROLE)) == {
        ("braket:CreateJob", "*"),
        ("braket:SearchJobs", "*"),
        ("braket:CancelJob", jobs),
        ("braket:GetJob", jobs),
        ("braket:TagResource", jobs),
        ("braket:UntagResource", jobs),
        ("iam:GetRole", f"{roles}/aws-service-role/braket.amazonaws.com/{braket_role}"),
        ("iam:GetRole", f"{roles}/{braket_role}"),
        ("iam:PassRole", "<role>"),
        ("s3:GetObject", f"{assets}/*"),
        ("s3:GetObject", "<inputs>/scripts/*"),
        ("s3:PutObject", "<inputs>/scripts/*"),
        ("s3:GetObject", "<inputs>/inputs/*"),
        ("s3:PutObject", "<inputs>/inputs/*"),
        ("s3:GetObject", "<inputs>/.cdk-braket/jobs/*"),
        ("s3:PutObject", "<inputs>/.cdk-braket/jobs/*"),
        ("s3:ListBucket", "<inputs>"),
        ("kms:Decrypt", "<key>"),
        ("kms:GenerateDataKey", "<key>"),
        ("logs:CreateLogStream", "<logs>"),
        ("logs:PutLogEvents", "<logs>"),
        ("sqs:SendMessage", "<dead letters>"),
        ("xray:PutTelemetryRecords", "*"),
        ("xray:PutTraceSegments", "*"),
    }


def test_roles_are_passed_to_braket_only() -> None:
    stack = new_stack()
    image_job(stack)
    [passing] = [s for s in statements(stack, _HANDLER_ROLE) if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["braket.amazonaws.com", "sagemaker.amazonaws.com"]}
    }


def test_the_handlers_policy_does_not_grow_with_the_jobs_files(tmp_path: Path) -> None:
    def grants(files: int) -> int:
        directory = tmp_path / str(files)
        directory.mkdir()
        for index in range(files):
            (directory / f"{index}").write_text("", encoding="utf-8")
        stack = new_stack()
        channel = InputChannel.from_asset(directory)
        HybridJob(
            stack,
            "Job",
            image=ContainerImage.base(),
            input_data={"d": channel},
            device=LOCAL,
        )
        return len(allowed(stack, _HANDLER_ROLE))

    assert grants(1) == grants(20)


def test_copied_checkpoints_are_readable_to_the_handler_alone() -> None:
    stack = new_stack()
    first = image_job(stack, "First")
    HybridJob(
        stack,
        "Second",
        image=ContainerImage.base(),
        device=LOCAL,
        copy_checkpoints_from=CheckpointSource.from_job(first),
    )
    jobs = resources(stack, "Custom::BraketHybridJob")
    [source] = [r["Properties"] for n, r in jobs.items() if n.startswith("Second")]
    assert isinstance(source, dict)
    assert source["CopyCheckpointsFrom"]["Fn::GetAtt"][1] == "CheckpointS3Uri"
    read = {r for a, r in allowed(stack, _HANDLER_ROLE) if a == "s3:GetObject"}
    assert any("FirstEnvironmentResults" in r and "/jobs/Stack-First/*" in r for r in read)
    written = {r for a, r in allowed(stack, _HANDLER_ROLE) if a == "s3:PutObject"}
    assert any("SecondEnvironmentResults" in r and "/jobs/Stack-Second/*" in r for r in written)
    assert not any("FirstEnvironmentResults" in r for r in written)
    of_the_job = {r for _, r in allowed(stack, "SecondEnvironmentRole")}
    assert not any("FirstEnvironment" in r for r in of_the_job)


def test_checkpoints_of_a_job_of_another_stack_can_be_copied() -> None:
    app = App()
    first = image_job(Stack(app, "One"), "First")
    two = Stack(app, "Two")
    HybridJob(
        two,
        "Second",
        image=ContainerImage.base(),
        device=LOCAL,
        copy_checkpoints_from=CheckpointSource.from_job(first),
    )
    assert "CopyCheckpointsFrom" in only(two, "Custom::BraketHybridJob")


def test_an_image_of_the_users_is_pulled_from_its_repository_only() -> None:
    stack = new_stack()
    repository = ecr.Repository(stack, "Images")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.from_ecr_repository(repository, "v1"),
        device=LOCAL,
    )
    pulled = {r for a, r in allowed(stack, _JOB_ROLE) if a == "ecr:BatchGetImage"}
    assert len(pulled) == 1
    assert "Images" in pulled.pop()
    assert _REPOSITORY not in str(allowed(stack, _JOB_ROLE))


def test_the_handler_may_check_the_resources_of_the_user() -> None:
    stack = new_stack()
    theirs = s3.Bucket.from_bucket_name(stack, "Theirs", "amazon-braket-theirs")
    mine = s3.Bucket.from_bucket_name(stack, "Mine", "mine")
    before = _looks(new_stack(), image_job)
    found = _looks(
        stack,
        lambda stack: HybridJob(
            stack,
            "Job",
            algorithm=AlgorithmScript.from_bucket(theirs, "algo.py", entry_point="algo"),
            device=Device.IONQ_FORTE_1,
            output_data=OutputData(bucket=mine),
        ),
    )
    arn = "arn:aws:s3:::"
    assert found - before == {
        ("braket:GetDevice", Device.IONQ_FORTE_1.arn),
        ("s3:GetObject", f"{arn}amazon-braket-theirs/algo.py"),
        ("s3:ListBucket", f"{arn}amazon-braket-theirs"),
        ("s3:GetBucketTagging", f"{arn}mine"),
    }


def _looks(stack: Stack, declare: Callable[[Stack], object]) -> set[tuple[str, str]]:
    declare(stack)
    return {pair for pair in _short(allowed(stack, _HANDLER_ROLE)) if "<" not in pair[1]}
