"""No secret of an event leaves the handler in any way."""

import json

import pytest

from cdk_braket._lambda.braket_jobs.contract import Property, RunAction, RunProperty
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError, redacted
from cdk_braket._lambda.braket_jobs.handler.redaction import without_secrets_of
from tests.unit.handler.worlds import RECORDS, Context, Stack, World, properties, request

CANARY = 'canary-"93ab"-ü'
TOKEN = "task-token-canary-1f"
CALLS = [
    "read_record", "write_record", "has_role", "copy_asset", "create_job", "get_job", "tag_job",
    "invoke_again", "send_task_success", "list_keys", "cancel_job", "put_event", "find_jobs",
]  # fmt: skip


def _failing(call: str, error: Exception) -> World:
    def fail(name: str, _number: int) -> None:
        if name == call:
            raise error

    return World(before=fail)


def _quoting(kind: Kind) -> ServiceError:
    quoted = f"bad: {CANARY} {json.dumps(CANARY)} {CANARY!r} {json.dumps(json.dumps(CANARY))}"
    return ServiceError("Any", "SomeException", f"{quoted} {TOKEN} {URL}", kind)


URL = "https://cfn-response.s3.amazonaws.com/answer?X-Amz-Signature=abcdef0123456789"


def _props(**more: object) -> dict[str, object]:
    asked = request(hyperParameters={"secret": CANARY})
    return {**properties(), Property.REQUEST: json.dumps(asked), **more}


@pytest.mark.parametrize("kind", [Kind.PERMANENT, Kind.TRANSIENT])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("type_", ["Create", "Update", "Delete"])
def test_no_answer_quotes_a_secret(
    call: str, kind: Kind, type_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = _failing(call, _quoting(kind))
    wait = json.dumps({"timeoutSeconds": 3000})
    props = _props(**{Property.WAIT_FOR_COMPLETION: wait})
    event = Stack(world).event(type_, props, "no-job", _props())
    event = {**event, "ResponseURL": URL}
    index.respond_to(event, Context(world), world)
    written = json.dumps(world.answers, ensure_ascii=False) + capsys.readouterr().out
    assert "abcdef0123456789" not in written
    assert "93ab" not in written + "".join(text for text, _ in world.objects.values())


@pytest.mark.parametrize("action", list(RunAction))
@pytest.mark.parametrize("call", CALLS)
def test_no_error_for_a_state_machine_quotes_a_secret(
    call: str, action: RunAction, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = {k: v for k, v in properties().items() if k != "ServiceToken"}
    definition[Property.REQUEST] = request(hyperParameters={"secret": CANARY})
    event: dict[str, object] = {
        RunProperty.ACTION: action,
        RunProperty.EXECUTION: "arn:aws:states:us-east-1:1:execution:a:b",
        RunProperty.RUN_ID: "run",
        RunProperty.PROPERTIES: definition,
        RunProperty.HYPERPARAMETERS: {"more": "another-canary-77"},
        RunProperty.TASK_TOKEN: TOKEN,
        RunProperty.RUN: {"JobArn": "arn:aws:braket:us-east-1:1:job/1", "RunId": "run"},
        RunProperty.RECORDS: RECORDS,
        RunProperty.JOB_ARN: "arn:aws:braket:us-east-1:1:job/1",
    }
    error = _quoting(Kind.PERMANENT)
    error.message += " another-canary-77"
    world = _failing(call, error)
    try:
        index.run_for(event, Context(world), world)
    except index.HybridJobError as raised:
        text = str(raised) + capsys.readouterr().out
        shown = [secret for secret in ("another-canary", TOKEN, "93ab") if secret in text]
        known = set(event) & {RunProperty.PROPERTIES}
        assert not shown, known


def test_an_error_after_the_response_is_handled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(name: str, _number: int) -> None:
        if name == "write_record" and world.answers:
            raise RuntimeError(CANARY)

    world = World(before=fail)
    assert Stack(world).create(_props())["Status"] == "SUCCESS"
    written = capsys.readouterr().out
    assert "unexpected_error" in written
    assert "93ab" not in written


def test_credentials_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token-canary")
    assert without_secrets_of({}, "has session-token-canary in it") == "has *** in it"


@pytest.mark.parametrize("value", ["secret", 'pass"word', "pass\\word", "pässwörd", "a\nline"])
def test_a_secret_in_json_in_json_is_replaced_whole(value: str) -> None:
    nested = json.dumps(json.dumps(f"x{value}y"))
    assert redacted(nested, [value]) == json.dumps(json.dumps("x***y"))


def test_short_values_are_not_redacted() -> None:
    event = {"ResourceProperties": {Property.REQUEST: json.dumps({"hyperParameters": {"a": "1"}})}}
    assert without_secrets_of(event, "1 of 11") == "1 of 11"
