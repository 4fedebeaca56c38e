"""A further job of a stack needs few calls to Node, with all checks.

Each call to an object of the CDK goes to another process. The number of calls counts, because their
time differs by machine.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import Aws, CfnParameter, Duration, Fn, Size, Stack, Token
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.calls_to_node import counted
from cdk_braket import (
    AlgorithmScript,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InstanceConfig,
    OnDelete,
)
from cdk_braket.core.tokens import is_token, tokens_in
from tests.synth.support import ACCOUNT, LOCAL, new_stack, script

MOST_CALLS = 12


def _calls_of_a_further_job(declare: Callable[[Stack, str, HybridJobEnvironment], object]) -> int:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    declare(stack, "First", environment)
    with counted() as calls:
        declare(stack, "Second", environment)
    assert any("CfnResource" in call for call in calls), "the calls are seen"
    return len(calls)


def test_a_job_takes_at_most_12_calls() -> None:
    def declare(stack: Stack, id: str, environment: HybridJobEnvironment) -> None:
        HybridJob(
            stack,
            id,
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            hyperparameters={"shots": 100, "distance": 0.7, "name": id},
            tags={"team": "chemistry"},
            job_name=f"job-{id}",
            rerun_trigger="1",
            on_delete=OnDelete.RETAIN_JOB,
        )

    assert _calls_of_a_further_job(declare) <= MOST_CALLS


def test_a_job_on_a_device_needs_as_many() -> None:
    def declare(stack: Stack, id: str, environment: HybridJobEnvironment) -> None:
        HybridJob(
            stack,
            id,
            environment=environment,
            image=ContainerImage.base(),
            device=Device.AMAZON_SV1,
            max_runtime=_HOUR,
            instance=_LARGE,
        )

    assert _calls_of_a_further_job(declare) <= MOST_CALLS


_HOUR = Duration.hours(1)
_LARGE = InstanceConfig(volume_size=Size.gibibytes(50))


def test_a_script_needs_the_calls_of_its_asset(tmp_path: Path) -> None:
    algorithm: AlgorithmScript = script(tmp_path / "script")

    def declare(stack: Stack, id: str, environment: HybridJobEnvironment) -> None:
        HybridJob(stack, id, environment=environment, algorithm=algorithm, device=LOCAL)

    assert _calls_of_a_further_job(declare) <= MOST_CALLS + 12


# --- Tokens are recognized without a call. ---

_SCOPE = new_stack()
_PARAMETER = CfnParameter(_SCOPE, "P", type="Number")
_TOKENS = [
    Aws.REGION,
    f"a-{Aws.REGION}-b",
    _PARAMETER.value_as_string,
    _PARAMETER.value_as_number,
    Token.as_string({"Ref": "X"}),
    Token.as_string({"Ref": "X"}, display_hint="a hint / ü"),
    Token.as_number({"Ref": "X"}),
    Fn.join("", ["a", Aws.ACCOUNT_ID]),
    Fn.ref("P"),
]


@pytest.mark.parametrize("value", _TOKENS, ids=range(len(_TOKENS)))
def test_a_token_is_recognized(value: str | float) -> None:
    assert Token.is_unresolved(value)
    assert is_token(value)


@given(
    st.one_of(
        st.text(),
        st.text("${}Token[].1a:_-", max_size=24),
        st.from_regex(r"\$\{Token\[[a-zA-Z0-9:._-]*\]\}?", fullmatch=True),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(-1.9e289, -1.8e289),
    )
)
@example("${Token[TOKEN.987654321]}")
@example("Token[-1.8881545897987654e+289")
@example("-1.8881545897987654e+289")
@example("#{Token[TOKEN.1]}")
@example(-1.8881545897087503e289)
@example(0)
@example(ACCOUNT)
def test_tokens_are_recognized_as_by_the_cdk(value: str | float) -> None:
    assert is_token(value) == Token.is_unresolved(value)


@pytest.mark.parametrize("value", [True, None, [], {}, 10**400, float("nan"), float("inf")])
def test_other_values_are_no_tokens(value: object) -> None:
    assert not is_token(value)


def test_the_tokens_of_a_string_are_found() -> None:
    region, account = Aws.REGION, Aws.ACCOUNT_ID
    assert tokens_in(f"a{region}b{account}") == [region, account]
    assert tokens_in("a") == []
