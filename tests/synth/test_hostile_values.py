"""Malicious values, or values that no template can contain: used literally, or reported."""

from collections.abc import Mapping
from itertools import count

import pytest
from aws_cdk import (
    App,
    CfnDynamicReference,
    CfnDynamicReferenceService,
    CfnParameter,
    Duration,
    SecretValue,
    Stack,
    Token,
)
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from hypothesis import example, given
from hypothesis import strategies as st

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    InstanceConfig,
    OutputData,
    ValidationError,
    WaitForCompletion,
)
from tests.fuzz.profile import fuzzed
from tests.fuzz.values import numbers, scalars, texts
from tests.synth.support import LOCAL, argument_of, new_stack, request_of, template_of

# Of no app of this process: tokens are counted from 0.
_NO_TOKEN = "${Token[TOKEN.987654321]}"
# CDK's numbers for tokens are of this size.
_NO_NUMBER = -1.8881545897987654e289


def _refused(**options: object) -> list[str]:
    everything = {"image": ContainerImage.base(), "device": LOCAL, **options}
    with pytest.raises(ValidationError) as caught:
        HybridJob(new_stack(), "Job", **everything)  # type: ignore[arg-type]  # one way for all
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "reported"),
    [("a\ud800", "lone surrogate"), (_NO_TOKEN, "looks like a token of the CDK")],
)
def test_a_string_that_no_template_can_contain_is_reported_anywhere(
    text: str, reported: str
) -> None:
    bucket = s3.Bucket.from_bucket_name(new_stack(), "Bucket", "amazon-braket-mine")
    problems = _refused(
        algorithm=AlgorithmScript.from_bucket(bucket, f"{text}.py", entry_point=f"a:b{text}"),
        image=ContainerImage.from_uri(f"111122223333.dkr.ecr.us-east-1.amazonaws.com/m:{text}"),
        device=Device.from_arn(f"arn:aws:braket:::device/quantum-simulator/a/{text}"),
        hyperparameters={"value": text, f"key{text}": "a"},
        input_data={"in": InputChannel.from_s3_uri(f"s3://abc/{text}", content_type=text)},
        output_data=OutputData(prefix=text),
        checkpoint=Checkpoint(local_path=f"/{text}", prefix=text),
        copy_checkpoints_from=CheckpointSource.from_s3_uri(f"s3://abc/{text}"),
        job_name=text,
        reservation_arn=text,
        tags={"value": text, f"key{text}": "a"},
        rerun_trigger=text,
    )
    of_texts = {argument_of(problem) for problem in problems if reported in problem}
    assert of_texts == {
        "algorithm",
        "algorithm.entry_point",
        "image",
        "device",
        "hyperparameters['value']",
        f"hyperparameters[{f'key{text}'!r}]".split(":")[0],
        "input_data['in']",
        "input_data['in'].content_type",
        "output_data",
        "checkpoint",
        "checkpoint.local_path",
        "copy_checkpoints_from",
        "job_name",
        "reservation_arn",
        "tags['value']",
        f"tags[{f'key{text}'!r}]",
        "rerun_trigger",
    }
    assert all(problem.isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("uri", "reported"),
    [
        ("s3://amazon-braket-mine/a\x00b", "expected text without NUL"),
        ("https://[/x", "expected a URL with a valid host"),
    ],
)
def test_a_uri_that_no_container_can_use_is_reported(uri: str, reported: str) -> None:
    [problem] = _refused(input_data={"in": InputChannel.from_s3_uri(uri)})
    assert problem.startswith(f"input_data['in']: {reported}")


def test_a_uri_that_is_a_token_passes_these_checks() -> None:
    stack = new_stack()
    bucket = CfnParameter(stack, "Bucket").value_as_string
    uri = f"s3://{bucket}/in"
    data = {"in": InputChannel.from_s3_uri(uri)}
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, input_data=data)
    assert "inputDataConfig" in request_of(stack)


def test_an_invalid_string_is_reported_with_argument_value_rule_and_fix() -> None:
    assert _refused(tags={"team": "a\udfff"}) == [
        (
            "tags['team']='a\\udfff': holds half of a character (a lone surrogate). Use text that "
            "can be written as UTF-8."
        )
    ]


def test_a_number_that_looks_like_a_token_is_reported() -> None:
    problems = _refused(
        hyperparameters={"n": _NO_NUMBER},
        max_runtime=Duration.seconds(_NO_NUMBER),
        wait_for_completion=WaitForCompletion(timeout=Duration.seconds(_NO_NUMBER)),
    )
    reported = [problem for problem in problems if "looks like a token of the CDK" in problem]
    assert [argument_of(problem) for problem in reported] == [
        "wait_for_completion.timeout",
        "hyperparameters['n']",
        "max_runtime",
    ]


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**400])
def test_a_number_that_json_cannot_contain_is_reported(number: int) -> None:
    [problem] = _refused(instance=InstanceConfig(instance_count=number))
    assert problem.startswith("instance.instance_count")
    HybridJob(
        new_stack(),
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        instance=InstanceConfig(instance_count=2**53 - 1),
        hyperparameters={"seed": number},
    )


@pytest.mark.parametrize(
    "text",
    [
        "canary-{{resolve:secretsmanager:prod/db:SecretString:password}}",
        "canary-{{resolve:ssm-secure:/prod/db:1}}",
    ],
)
def test_a_secret_that_cloudformation_would_fill_in_is_refused(text: str) -> None:
    [problem] = _refused(hyperparameters={"h": text})
    assert problem == (
        "hyperparameters['h']: refers to a secret, which CloudFormation would write into the "
        "request, where many may read it. Give the script the secret's name, and have it read the "
        "secret (docs/explain/secrets.md)."
    )


def test_a_secret_of_the_app_is_refused_in_any_string_form() -> None:
    stack = new_stack()
    secrets = {
        "imported": SecretValue.secrets_manager("prod/db").unsafe_unwrap(),
        "inside": f"a{SecretValue.secrets_manager('prod/db').unsafe_unwrap()}b",
        "secure": SecretValue.ssm_secure("/prod/db", "1").unsafe_unwrap(),
        "made": secretsmanager.Secret(stack, "Secret").secret_value.unsafe_unwrap(),
    }
    with pytest.raises(ValidationError) as caught:
        HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, hyperparameters=secrets)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        f"hyperparameters[{name!r}]" for name in secrets
    ]
    assert all("refers to a secret" in problem for problem in caught.value.problems)


def test_a_reference_that_is_not_a_secret_is_accepted() -> None:
    stack = new_stack()
    ssm = CfnDynamicReferenceService.SSM
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={
            "text": "{{resolve:ssm:/shots:1}}",
            "token": CfnDynamicReference(ssm, "/shots:2").to_string(),
            "parameter": CfnParameter(stack, "P").value_as_string,
            "number": Token.as_number({"Ref": "P"}),
            "secret": secretsmanager.Secret(stack, "Secret").secret_name,
        },
    )
    rendered = request_of(stack)["hyperParameters"]
    assert isinstance(rendered, Mapping)
    assert rendered["text"] == "{{resolve:ssm:/shots:1}}"
    assert rendered["token"] == "{{resolve:ssm:/shots:2}}"
    assert rendered["parameter"] == rendered["number"] == "<{'Ref': 'P'}>"


def test_the_hyperparameters_of_one_run_are_checked_like_those_of_the_definition() -> None:
    stack = new_stack()
    definition = HybridJobDefinition(stack, "Vqe", image=ContainerImage.base(), device=LOCAL)
    with pytest.raises(ValidationError) as caught:
        definition.run_job_task(
            stack,
            "Run",
            hyperparameters={
                "half": "\ud800",
                "token": _NO_TOKEN,
                "number": _NO_NUMBER,
                "database": "{{resolve:secretsmanager:a}}",
                "empty": "",
            },
        )
    problems = [problem.split(":")[0] for problem in caught.value.problems]
    names = ("half", "token", "number", "database", "empty")
    assert problems == [f"hyperparameters[{name!r}]" for name in names]


_uris = texts | texts.map("s3://amazon-braket-mine/{}".format) | texts.map("s3://{}/a".format)
_some = st.none() | texts


@st.composite
def _drawn(draw: st.DrawFn) -> dict[str, object]:
    """Some arguments; the others are plain, so that one refusal hides no other."""
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "hyperparameters": st.dictionaries(texts, scalars, max_size=2),
                "uri": _uris,
                "channel": texts,
                "content_type": _some,
                "key": texts,
                "entry_point": texts,
                "device": texts | texts.map("local:{}".format),
                "image": texts,
                "prefix": _some,
                "local_path": texts,
                "checkpoints_from": _uris,
                "job_name": _some,
                "reservation_arn": _some,
                "tags": st.dictionaries(texts, texts, max_size=2),
                "rerun_trigger": _some,
                "max_runtime": st.integers(1, 2**63) | st.floats(0, 1e308),
                "instance_count": numbers,
                "isolated": st.booleans(),
            },
        )
    )


def test_any_arguments_lead_to_a_job_or_a_handled_error() -> None:
    """One stack for all: its creation and rendering are slower than a job's declaration."""
    stack = Stack(App(), "Stack")
    environment = HybridJobEnvironment(stack, "Environment")
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    numbered = count()
    taken = []

    @fuzzed(80)
    @given(_drawn())
    @example({"entry_point": "a/\x1f"})
    @example({"hyperparameters": {"a": "a"}})
    @example({"uri": "s3://amazon-braket-mine/a*", "prefix": "a?"})
    def declare(drawn: Mapping[str, object]) -> None:
        text = {name: value for name, value in drawn.items() if isinstance(value, str)}
        arguments: dict[str, object] = {
            name: drawn[name]
            for name in (
                "hyperparameters", "job_name", "reservation_arn", "tags", "rerun_trigger",
                "isolated",
            )
            if name in drawn
        }  # fmt: skip
        if "uri" in text or "channel" in text or "content_type" in drawn:
            channel = InputChannel.from_s3_uri(
                text.get("uri", "s3://amazon-braket-mine/a"), content_type=text.get("content_type")
            )
            arguments["input_data"] = {text.get("channel", "in"): channel}
        if "key" in text or "entry_point" in text:
            arguments["algorithm"] = AlgorithmScript.from_bucket(
                bucket, text.get("key", "a.tar.gz"), entry_point=text.get("entry_point", "a:b")
            )
        if "checkpoints_from" in text:
            source = CheckpointSource.from_s3_uri(text["checkpoints_from"])
            arguments["copy_checkpoints_from"] = source
        max_runtime = drawn.get("max_runtime")
        if isinstance(max_runtime, (int, float)):
            arguments["max_runtime"] = Duration.seconds(max_runtime)
        instances = drawn.get("instance_count")
        if isinstance(instances, (int, float)):
            arguments["instance"] = InstanceConfig(instance_count=instances)
        image = ContainerImage.from_uri(text["image"]) if "image" in text else ContainerImage.base()
        try:
            HybridJob(
                stack,
                f"Job{next(numbered)}",
                environment=environment,
                image=image,
                device=Device(text["device"]) if "device" in text else LOCAL,
                output_data=OutputData(bucket=bucket, prefix=text.get("prefix")),
                checkpoint=Checkpoint(local_path=text.get("local_path", "/opt/a")),
                **arguments,  # type: ignore[arg-type]  # what is drawn has any type
            )
        except ValidationError as error:
            assert error.problems  # noqa: PT017 - both ways are right
            assert all(problem.isprintable() for problem in error.problems)  # noqa: PT017
            return
        taken.append(drawn)

    declare()
    assert len(taken) > 2
    assert template_of(stack)["Resources"]
