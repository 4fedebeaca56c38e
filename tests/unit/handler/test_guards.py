"""Small guards of the handler, with a separate test for each."""

import json

import pytest

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket._lambda.braket_jobs.contract import Property
from cdk_braket._lambda.braket_jobs.handler import cloudformation
from cdk_braket._lambda.braket_jobs.handler.errors import Failure, ServiceError, redacted
from cdk_braket._lambda.braket_jobs.handler.log import place_of
from cdk_braket._lambda.braket_jobs.handler.properties import read_wait
from cdk_braket._lambda.braket_jobs.handler.redaction import without_secrets_of
from cdk_braket._lambda.braket_jobs.issue import Issue
from tests.unit.handler.worlds import Stack, World, properties


def test_a_secret_that_contains_another_is_removed_whole() -> None:
    assert redacted("abcdefgh", ["abcd", "abcdefgh"]) == "***"


def test_a_secret_is_removed_from_the_line_of_an_issue() -> None:
    secret = 'a\\b\u200bc"d'
    assert redacted(str(Issue("", f"got {secret}")), [secret]) == "got ***."


def test_hyperparameters_of_the_old_properties_are_secrets() -> None:
    old = {Property.REQUEST: {"HyperParameters": json.dumps({"key": "canary-old"})}}
    assert without_secrets_of({"OldResourceProperties": old}, "canary-old") == "***"


def test_the_place_of_an_error_is_the_line_that_raised_it() -> None:
    with pytest.raises(ValueError, match="Expecting") as raised:
        json.loads("{")
    assert place_of(raised.value).startswith("decoder.py:")


def test_a_url_with_port_0_names_nowhere_to_answer() -> None:
    assert cloudformation.response_url({"ResponseURL": "https://host:0/"}) is None
    assert cloudformation.response_url({"ResponseURL": "https://host:1/"}) is not None


def test_an_answer_is_not_sent_again_once_the_time_has_ended() -> None:
    world = World(answer_statuses=[500] * 9)
    with pytest.raises(ServiceError):
        cloudformation.deliver("https://host/", b"{}", world, world.time + 1)
    assert world.calls == ["put_answer", "put_answer"]


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", True, None, []])
def test_a_wait_of_no_time_is_refused(seconds: object) -> None:
    wait: dict[str, object] = {Property.WAIT_FOR_COMPLETION: {"TimeoutSeconds": seconds}}
    with pytest.raises(Failure, match="WaitForCompletion"):
        read_wait(wait)


def test_a_tag_of_the_user_cannot_replace_or_remove_the_token() -> None:
    world = World()
    stack = Stack(world)
    stack.create(properties("A", {contract.TOKEN_TAG: "mine"}))
    token = world.only_job().tags[contract.TOKEN_TAG]
    assert token != "mine"
    stack.update(properties("A", {contract.TOKEN_TAG: "mine", "other": "1"}))
    stack.update(properties("A", {}))
    assert world.only_job().tags == {contract.TOKEN_TAG: token}
