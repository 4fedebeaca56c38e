"""Arguments of the right type and a wrong value, and the fix that belongs to each fault."""

import enum
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from aws_cdk import App, Duration, Environment, RemovalPolicy, Stack, Stage, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm

from cdk_braket import (
    AlgorithmScript,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDashboard,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    InstanceConfig,
    OutputData,
    SpendingLimit,
    ValidationError,
)
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    argument_of,
    image_job,
    new_stack,
    request_of,
    resources,
    script,
)


def _refused(stack: Stack | None = None, **options: object) -> tuple[str, ...]:
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    with pytest.raises(ValidationError) as caught:
        HybridJob(stack or new_stack(), "Job", **everything)  # type: ignore[arg-type]  # one way
    return caught.value.problems


def _other_region(stack: Stack) -> Stack:
    """A stack of the same app in another region."""
    env = Environment(account=ACCOUNT, region="eu-west-2")
    return Stack(stack.node.scope, "Elsewhere", env=env)  # type: ignore[arg-type]  # an App


# --- Values that resources do not support. ---


@pytest.mark.parametrize("policy", list(RemovalPolicy))
def test_a_removal_policy_is_valid_in_cloudformation_or_refused(
    policy: RemovalPolicy,
) -> None:
    stack = new_stack()
    if policy is RemovalPolicy.SNAPSHOT:
        [problem] = _refused(removal_policy=policy)
        assert problem.startswith("removal_policy=RemovalPolicy.SNAPSHOT: buckets, keys and log")
        with pytest.raises(ValidationError, match="have no snapshots"):
            HybridJobEnvironment(stack, "Jobs", removal_policy=policy)
        return
    HybridJobEnvironment(stack, "Jobs", removal_policy=policy)
    kinds = {each.get("DeletionPolicy") for each in resources(stack, "AWS::S3::Bucket").values()}
    assert kinds <= {"Delete", "Retain", "RetainExceptOnCreate"}


@pytest.mark.parametrize("calls", [0, -1])
def test_a_handler_that_could_never_run_is_refused(calls: int) -> None:
    with pytest.raises(ValidationError, match=f"executions: expected at least 1, got {calls}"):
        HybridJobEnvironment(new_stack(), "Jobs", reserved_concurrent_executions=calls)


def test_periods_and_timeouts_are_whole_numbers_in_the_range_of_the_services() -> None:
    stack = new_stack()
    definition = HybridJobDefinition(
        stack, "Job", image=ContainerImage.base(), device=Device.AMAZON_SV1
    )
    with pytest.raises(ValidationError, match=r"period: expected 1, 5, 10 or 30 seconds.*got 90 s"):
        Device.AMAZON_SV1.metric_task_count(period=Duration.seconds(90))
    with pytest.raises(ValidationError) as caught:
        definition.run_job_task(
            stack,
            "Run",
            timeout=Duration.millis(1500),
            hyperparameters={"a": None},  # type: ignore[dict-item]  # wrong
        )
    starts = [problem.partition(":")[0] for problem in caught.value.problems]
    assert starts == ["hyperparameters['a']", "timeout"]


# --- Regions and accounts. ---


def test_a_resource_in_another_region_is_refused() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "B", bucket_name="amazon-braket-b", region="eu-west-2"
    )
    key = kms.Key.from_key_arn(stack, "K", f"arn:aws:kms:eu-west-2:{ACCOUNT}:key/k")
    role = iam.Role.from_role_arn(stack, "R", "arn:aws:iam::999988887777:role/r")
    problems = _refused(
        stack,
        input_data={
            "bucket": InputChannel.from_bucket(bucket),
            "uri": InputChannel.from_s3_uri("https://b.s3.eu-west-2.amazonaws.com/a"),
        },
        copy_checkpoints_from=CheckpointSource.from_bucket(bucket, "a"),
        output_data=OutputData(bucket=bucket, encryption_key=key),
        image=ContainerImage.from_uri(f"{ACCOUNT}.dkr.ecr.eu-west-2.amazonaws.com/a:b"),
        role=role,
    )
    found = {argument_of(problem) for problem in problems}
    assert found == {
        "input_data['bucket']",
        "input_data['uri']",
        "copy_checkpoints_from",
        "output_data.bucket",
        "output_data.encryption_key",
        "image",
        "role",
    }
    assert all("eu-west-2" in problem or "999988887777" in problem for problem in problems)


def test_a_foreign_resource_of_an_environment_a_rule_or_a_dashboard_is_refused() -> None:
    stack = new_stack()
    queue = sqs.Queue.from_queue_arn(stack, "Q", f"arn:aws:sqs:eu-west-2:{ACCOUNT}:q")
    topic = sns.Topic.from_topic_arn(stack, "T", f"arn:aws:sns:eu-west-2:{ACCOUNT}:t")
    with pytest.raises(ValidationError, match="dead_letter_queue: is in region eu-west-2"):
        HybridJobEnvironment(stack, "Jobs", dead_letter_queue=queue)
    with pytest.raises(ValidationError, match="topic: is in region eu-west-2"):
        image_job(stack).notify(topic)
    arn = f"arn:aws:braket:eu-west-2:{ACCOUNT}:job/8dd5a5ab"
    job = HybridJob.from_hybrid_job_attributes(stack, "Other", job_arn=arn, job_name="a")
    with pytest.raises(ValidationError, match="job: is in region eu-west-2"):
        job.on_completed("Rule")
    with pytest.raises(ValidationError, match=r"jobs\[0\]: is in region eu-west-2"):
        HybridJobDashboard(stack, "Board", jobs=[job])


def test_a_limit_of_a_device_of_another_region_is_refused() -> None:
    with pytest.raises(ValidationError, match="the device is in eu-north-1, and the stack is in"):
        SpendingLimit(new_stack(), "Limit", device=Device.IQM_GARNET, spending_limit="1.00")


def test_an_environment_of_another_app_names_publish() -> None:
    environment = HybridJobEnvironment(new_stack(), "Jobs")
    [problem] = _refused(environment=environment)
    assert problem.startswith("environment: is declared in another app or stage")
    assert "publish('/name')" in problem
    assert "HybridJobEnvironment.from_parameter_name(…)" in problem
    stack = new_stack()
    stage = Stage(stack.node.scope, "Stage")  # type: ignore[arg-type]  # an App
    [problem] = _refused(Stack(stage, "S"), environment=HybridJobEnvironment(stack, "Jobs"))
    assert "publish('/name')" in problem


# --- Stand-ins of look-ups. ---


def test_a_context_look_up_is_filled_in_the_first_synthesis() -> None:
    app = App()
    stack = Stack(app, "S", env=Environment(account=ACCOUNT, region="eu-north-1"))
    text = ssm.StringParameter.value_from_lookup(stack, "/it")
    assert text == "dummy-value-for-/it"
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Jobs",
        inputs_bucket_name=text,
        results_bucket_name=text,
        role_arn=text,
        handler_function_arn=text,
        encryption_key_arn=text,
    )
    HybridJob(
        stack,
        "Job",
        algorithm=AlgorithmScript.from_bucket(
            s3.Bucket.from_bucket_name(stack, "B", "amazon-braket-b"), text, entry_point=text
        ),
        image=ContainerImage.from_uri(text),
        device=Device.from_arn(text),
        hyperparameters={"h": text, text: "v"},
        input_data={"c": InputChannel.from_s3_uri(text)},
        copy_checkpoints_from=CheckpointSource.from_s3_uri(text),
        job_name=text,
        reservation_arn=text,
        rerun_trigger=text,
        tags={"k": text},
        environment=environment,
        role=iam.Role.from_lookup(stack, "R", role_name="r"),
    )
    HybridJob.from_hybrid_job_attributes(stack, "Other", job_arn=text, results_s3_uri=text)
    manifest = json.loads(Path(app.synth().directory, "manifest.json").read_text("utf-8"))
    assert {each["provider"] for each in manifest["missing"]} == {"ssm", "cc-api-provider"}


# --- Values with one obvious rendering, and others. ---


class _Level(enum.IntEnum):
    HIGH = 3


class _Optimizer(str, enum.Enum):  # noqa: UP042 - its str() is not its value
    SPSA = "spsa"


class _Other(enum.Enum):
    ONE = 1


def test_values_of_other_libraries_are_rendered() -> None:
    stack = new_stack()
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={
            "level": _Level.HIGH,
            "optimizer": _Optimizer.SPSA,
            "int": np.int64(3),  # type: ignore[dict-item]  # no type checker accepts it
            "bool": np.bool_(True),  # type: ignore[dict-item]  # no type checker accepts it
            "float": np.float32(0.1),  # type: ignore[dict-item]  # no type checker accepts it
            "array": np.array(7),  # type: ignore[dict-item]  # no type checker accepts it
            "decimal": Decimal("1E+2"),  # type: ignore[dict-item]  # no type checker accepts it
        },
        instance=InstanceConfig(instance_count=np.int64(2)),  # type: ignore[arg-type]  # as above
        tags={"optimizer": _Optimizer.SPSA},
    )
    request = request_of(stack)
    assert request["hyperParameters"] == {
        "level": "3",
        "optimizer": "spsa",
        "int": "3",
        "bool": "True",
        "float": "0.1",
        "array": "7",
        "decimal": "100",
    }
    assert '"instanceCount": 2' in json.dumps(request)


@pytest.mark.parametrize(
    ("value", "kind", "fix"),
    [
        (None, "None", "Remove the key."),
        (Path("a"), "PosixPath", "Put the file into an input channel"),
        (PurePosixPath("/a"), "PurePosixPath", "Put the file into an input channel"),
        (_Other.ONE, "_Other", "Use _Other.ONE.value"),
        (Fraction(1, 3), "Fraction", "Use str(…)"),
        (np.array([1, 2]), "ndarray", "Use str(…)"),
        ([1], "list", "Use json.dumps(…)"),
    ],
)
def test_others_are_refused_with_key_and_type(value: object, kind: str, fix: str) -> None:
    [problem] = _refused(hyperparameters={"h": value})
    assert problem.startswith(
        f"hyperparameters['h']: expected a string, a number or a bool, got {kind}."
    )
    assert fix in problem


def test_a_tag_that_is_no_string_is_refused_with_its_key() -> None:
    [problem] = _refused(tags={"k": 3})
    assert problem.startswith("tags['k']: expected a string, got int.")


# --- Tags. ---


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({"aws:a": "b"}, "tags['aws:a']: its key begins with aws:"),
        ({"AWS:a": "b"}, "tags['AWS:a']: its key begins with aws:"),
        ({"k" * 129: "b"}, "its key: expected 1 to 128 characters, got 129"),
        ({"k": "v" * 257}, "tags['k']: expected at most 256 characters, got 257"),
        ({f"k{each}": "v" for each in range(51)}, "tags: expected at most 50 tags, got 51"),
    ],
)
def test_tags_that_the_service_refuses(tags: dict[str, str], problem: str) -> None:
    [found] = _refused(tags=tags)
    assert problem in found
    stack = new_stack()
    image_job(stack)
    for key, value in tags.items():
        Tags.of(stack).add(key, value)
    with pytest.raises(RuntimeError, match=problem.partition("[")[0]):
        stack.node.root.synth()  # type: ignore[attr-defined]  # an App


def test_tags_at_their_limits_are_accepted() -> None:
    tags = {f"{each:02}" + "k" * 126: "v" * 256 for each in range(50)}
    HybridJob(new_stack(), "Job", image=ContainerImage.base(), device=LOCAL, tags=tags)


# --- All at once. ---


def test_no_stage_of_the_checks_hides_another(tmp_path: Path) -> None:
    problems = _refused(
        image=None,
        algorithm=AlgorithmScript.from_asset(
            script(tmp_path).source.path,  # type: ignore[union-attr]  # it is local
            entry_point="algo:nothing",
        ),
        hyperparameters={"none": None, "long": "x" * 3000},
        input_data={"a": 3},
        max_runtime=3600,
        tags={"aws:a": "b"},
        rerun_trigger="\ud800",
        removal_policy=RemovalPolicy.SNAPSHOT,
    )
    found = {argument_of(problem) for problem in problems}
    assert found == {
        "entry_point",
        "hyperparameters['long']",
        "hyperparameters['none']",
        "input_data['a']",
        "max_runtime",
        "removal_policy",
        "rerun_trigger",
        "tags['aws",
    }


# --- The fix belongs to the fault. ---


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"hyperparameters": {"h": "x" * 3000}}, "Put it into an input channel"),
        ({"hyperparameters": {"h": "a\nb"}}, "several lines into an input channel"),
        ({"hyperparameters": {"h": ""}}, "Remove it"),
        ({"hyperparameters": {"k" * 257: "v"}}, "Use a shorter key."),
        ({"job_name": ""}, "Remove it."),
    ],
)
def test_a_values_fault_decides_its_fix(options: dict[str, object], fix: str) -> None:
    [problem] = _refused(new_stack(), **options)
    assert fix in problem


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "jobs/vqe",
            "Use a path beside your module: Path(__file__).parent / 'jobs/vqe'.",
        ),
        ("s3://bucket/key", "is an S3 URI"),
        ("file:///tmp/x", "Use '/tmp/x'."),
        ("~/jobs", "Use Path('~/jobs').expanduser()."),
        ("C:\\jobs\\vqe", "is a path of Windows"),
        ("https://host/x", "is a URL (https:)"),
        ("/no/such/place", "No such file or directory. Check the path."),
    ],
)
def test_a_missing_path_is_recognized_by_its_form(path: str, expected: str) -> None:
    problems = _refused(
        image=ContainerImage.from_asset(path),
        algorithm=AlgorithmScript.from_asset(path, entry_point="a:b", include_modules=[path]),
        input_data={"c": InputChannel.from_asset(path)},
    )
    by_argument = {argument_of(problem): problem for problem in problems}
    assert sorted(by_argument) == [
        "algorithm",
        "algorithm.include_modules[0]",
        "image",
        "input_data['c']",
    ]
    for argument, problem in by_argument.items():
        assert problem.startswith(f"{argument}={path!r}: "), "as it was given, slash by slash"
        assert expected in problem
    if path.startswith("s3:"):
        assert "AlgorithmScript.from_bucket(" in by_argument["algorithm"]
        assert "InputChannel.from_s3_uri('s3://bucket/key')" in by_argument["input_data['c']"]
    if path == "jobs/vqe":
        assert str(Path.cwd())[:40] in problems[0]


def test_a_construct_id_that_iam_cannot_hold_is_left_out_of_descriptions() -> None:
    stack = new_stack()
    for each in ("Vqe", "Grundzustand-H₂", "实验"):
        HybridJob(
            stack,
            each,
            image=ContainerImage.base(),
            device=Device.AMAZON_SV1,
            max_runtime=Duration.hours(1),
        )
    kinds = ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
    found = [role for kind in kinds for role in resources(stack, kind).values()]
    texts = [str(each["Properties"].get("Description", "")) for each in found]  # type: ignore[attr-defined]  # JSON
    assert any("Stack/Vqe" in text for text in texts)
    assert all(text.encode("latin-1", "ignore").decode("latin-1") == text for text in texts)


# --- Noise. ---


def test_an_app_gets_one_line_and_embedded_simulators_none_about_cost(tmp_path: Path) -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Jobs")
    algorithm = script(tmp_path)
    for index in range(4):
        HybridJob(stack, f"Job{index}", algorithm=algorithm, device=LOCAL, environment=environment)
    [line] = _lines(stack)
    assert line.startswith("cdk-braket: packed algo.py: 1 file, 17 B, packed ")
    quiet = new_stack()
    image_job(quiet)
    assert _lines(quiet) == []


def test_hours_on_managed_devices_are_added_up() -> None:
    stack = new_stack()
    for index in range(3):
        HybridJob(
            stack,
            f"Job{index}",
            image=ContainerImage.base(),
            device=Device.AMAZON_SV1,
            max_runtime=Duration.hours(2),
        )
    assert _lines(stack) == ["cdk-braket: at most 6 instance hours for jobs on managed devices"]


def _lines(stack: Stack) -> list[str]:
    """The information that the CLI would show."""
    assembly = stack.node.root.synth()  # type: ignore[attr-defined]  # an App
    messages = assembly.get_stack_by_name(stack.stack_name).messages
    found = [message.entry for message in messages if str(message.level).lower().endswith("info")]
    assert all(entry.trace is None for entry in found)
    return [str(entry.data) for entry in found]
