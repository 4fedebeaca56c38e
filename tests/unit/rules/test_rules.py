"""The problems that `rules` reports for values, by hand-picked example."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule, check

JOB_NAME = model_rules.shape_of("CreateJobRequest", "jobName")
RUNTIME = model_rules.shape_of("CreateJobRequest", "stoppingCondition", "maxRuntimeInSeconds")


def kinds(problems: list[Problem]) -> list[tuple[tuple[str | int, ...], Rule]]:
    return [(problem.path, problem.rule) for problem in problems]


def test_every_missing_member_is_reported_at_once() -> None:
    required = service_model.shape("CreateJobRequest").required
    assert kinds(check("CreateJobRequest", {})) == [((name,), Rule.REQUIRED) for name in required]


def test_all_problems_of_nested_values_come_at_once_with_their_paths() -> None:
    value = {
        "instanceConfig": {"volumeSizeInGb": 0, "instanceType": "ml.none", "instanceCont": 1},
        "inputDataConfig": [{"channelName": "a b", "dataSource": {"s3DataSource": {}}}],
        "hyperParameters": {"shots": ""},
    }
    found = set(kinds(check("CreateJobRequest", value)))
    assert {
        (("instanceConfig", "volumeSizeInGb"), Rule.MIN),
        (("instanceConfig", "instanceType"), Rule.ENUM),
        (("instanceConfig", "instanceCont"), Rule.UNKNOWN_MEMBER),
        (("inputDataConfig", 0, "channelName"), Rule.PATTERN),
        (("inputDataConfig", 0, "dataSource", "s3DataSource", "s3Uri"), Rule.REQUIRED),
        (("hyperParameters", "shots"), Rule.MIN_LENGTH),
    } <= found


def test_message_states_the_rule_and_the_size() -> None:
    most = model_rules.bounds(JOB_NAME).maximum
    assert most is not None
    problems = check(JOB_NAME, "a" * (most + 1))
    length = [problem for problem in problems if problem.rule is Rule.MAX_LENGTH]
    assert [problem.message for problem in length] == [
        f"expected {model_rules.bounds(JOB_NAME).minimum} to {most} characters, got {most + 1}"
    ]


def test_number_message_states_the_rule_and_the_number() -> None:
    limits = model_rules.bounds(RUNTIME)
    assert limits.maximum is not None
    [problem] = check(RUNTIME, limits.maximum + 1)
    assert problem.message == (
        f"expected {limits.minimum} to {limits.maximum}, got {limits.maximum + 1}"
    )


def test_unknown_member_and_enum_suggest_a_similar_name() -> None:
    [unknown] = check("JobStoppingCondition", {"maxRuntimeInSecond": 1})
    assert unknown.message.endswith("did you mean maxRuntimeInSeconds?")
    [enum] = check("CompressionType", "GZ")
    assert enum.message == "expected one of NONE, GZIP, got 'GZ'; did you mean GZIP?"


@pytest.mark.parametrize("wrong", [True, False, 1.0, "1", None, [1]])
def test_only_an_int_is_a_whole_number(wrong: object) -> None:
    assert kinds(check(RUNTIME, wrong)) == [((), Rule.TYPE)]


@pytest.mark.parametrize("wrong", [1, True, None, b"a", ["a"]])
def test_only_str_is_a_string(wrong: object) -> None:
    assert kinds(check(JOB_NAME, wrong)) == [((), Rule.TYPE)]


def test_pattern_must_match_the_whole_text() -> None:
    role = "arn:aws:iam::123456789012:role/r"
    shape = model_rules.shape_of("CreateJobRequest", "roleArn")
    assert check(shape, role) == []
    assert kinds(check(shape, role + "\n")) == [((), Rule.PATTERN)]
    assert kinds(check(shape, "x" + role)) == [((), Rule.PATTERN)]


def test_pattern_classes_are_ascii() -> None:
    shape = model_rules.shape_of("CreateJobRequest", "roleArn")
    arabic_digits = "".join(chr(0x0660 + int(digit)) for digit in "123456789012")
    assert kinds(check(shape, f"arn:aws:iam::{arabic_digits}:role/r")) == [((), Rule.PATTERN)]


def test_length_counts_code_points() -> None:
    shape = model_rules.shape_of("CreateJobRequest", "hyperParameters", "any")
    most = model_rules.bounds(shape).maximum
    assert most is not None
    assert check(shape, "\N{ATOM SYMBOL}" * most) == []
    assert kinds(check(shape, "\N{ATOM SYMBOL}" * (most + 1))) == [((), Rule.MAX_LENGTH)]


def test_skip_passes_over_values_with_all_they_hold() -> None:
    token = object()
    value = {"jobName": token, "tags": {"owner": token}, "inputDataConfig": [token]}
    found = check("CreateJobRequest", value, skip=lambda each: each is token)
    assert {problem.rule for problem in found} == {Rule.REQUIRED}


def test_skip_is_called_for_map_keys_and_unknown_members() -> None:
    value = {"": "kept", "${Token[1]}": "kept"}
    shape = model_rules.shape_of("CreateJobRequest", "hyperParameters")
    assert kinds(check(shape, value, skip=lambda each: each == "")) == []
    assert check("CreateJobRequest", {"${T}": 1}, skip=lambda each: each == "${T}")[0].rule is (
        Rule.REQUIRED
    )


def test_a_present_none_is_a_wrong_type_as_for_boto3() -> None:
    assert kinds(check("JobStoppingCondition", {"maxRuntimeInSeconds": None})) == [
        (("maxRuntimeInSeconds",), Rule.TYPE)
    ]


def test_union_accepts_exactly_one_member() -> None:
    unions = [n for n in service_model.shape_names() if service_model.shape(n).union]
    assert unions
    for name in unions:
        assert kinds(check(name, {})) == [((), Rule.UNION)]


def test_neither_message_nor_repr_holds_a_value() -> None:
    canary = "canary-of-a-secret\n" * 200
    value = {"hyperParameters": {"k": canary}, "jobName": canary, "roleArn": canary}
    for problem in check("CreateJobRequest", value):
        assert "canary" not in problem.message
        assert "canary" not in repr(problem)


def test_description_comes_from_the_model() -> None:
    limits = model_rules.bounds(JOB_NAME)
    assert model_rules.describe(JOB_NAME) == (
        f"{limits.minimum} to {limits.maximum} characters matching {limits.pattern}"
    )
    limits = model_rules.bounds(RUNTIME)
    assert model_rules.describe(RUNTIME) == f"a whole number, {limits.minimum} to {limits.maximum}"
    assert model_rules.describe("String") == "text"


@pytest.mark.parametrize("name", service_model.shape_names())
def test_every_shape_can_be_described(name: str) -> None:
    assert model_rules.describe(name)


def test_unknown_names_are_lookup_errors() -> None:
    for ask in (
        lambda: check("NoSuchShape", 1),
        lambda: model_rules.shape_of("CreateJobRequest", "nope"),
        lambda: model_rules.shape_of("String", "nope"),
        lambda: model_rules.key_shape_of("String"),
        lambda: service_model.operation("NoSuchOperation"),
    ):
        with pytest.raises(service_model.UnknownShapeError):
            ask()


def test_shape_of_descends_through_members_lists_and_maps() -> None:
    assert model_rules.shape_of("CreateJobRequest") == "CreateJobRequest"
    assert model_rules.shape_of("CreateJobRequest", "inputDataConfig", 3) == "InputFileConfig"
    assert model_rules.key_shape_of("CreateJobRequest", "hyperParameters") == "String256"


def test_operations_have_the_data_of_a_server() -> None:
    create = service_model.operation("CreateJob")
    assert (create.method, create.uri, create.status) == ("POST", "/job", 201)
    statuses = {service_model.shape(error).error_status for error in create.errors}
    assert None not in statuses
    assert service_model.shape("ThrottlingException").error_status == 429


def test_import_starts_neither_boto3_nor_jsii() -> None:
    program = (
        "import sys; import cdk_braket._lambda.braket_jobs.api.model_rules;"
        "print(sorted({'boto3', 'botocore.client', 'botocore.session', 'jsii', 'aws_cdk'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    "name", [n for n in service_model.shape_names() if service_model.shape(n).pattern]
)
@pytest.mark.parametrize("unit", ["a", "-", "a-", "1.", "arn:aws:", "s3://a/", ":", "@sha256"])
def test_no_pattern_is_slow_on_a_long_hostile_text(name: str, unit: str) -> None:
    began = time.process_time()
    check(name, unit * (100_000 // len(unit)) + "\0")
    assert time.process_time() - began < 1


def test_a_huge_unknown_map_is_refused_quickly() -> None:
    value = {f"member{number}": number for number in range(20_000)}
    began = time.process_time()
    assert len(check("JobStoppingCondition", value)) == 20_000
    assert time.process_time() - began < 10


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(st.sampled_from(service_model.shape_names()), json_like)
def test_any_value_gets_a_verdict_never_an_exception(name: str, value: object) -> None:
    for problem in check(name, value):
        assert problem.message
        assert re.search(r"\S", str(problem.rule))


def test_an_absurdly_long_number_is_refused_not_printed() -> None:
    [problem] = check(RUNTIME, 10**5000)
    assert problem.rule is Rule.MAX
    assert "far off" in problem.message
