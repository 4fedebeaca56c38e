"""Secrets that a local AWS writes are found: each kind, leaked on purpose, in each place."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket_local.control.instance import LOG_FILE, LocalAws
from tests import length
from tests.deploy import environments
from tests.emulator import leaks, watched_command
from tests.emulator.jobs import TRUST, Jobs
from tests.emulator.recording_server import ISSUED
from tests.emulator.secret_search import LONG_VALUE, Secret, Secrets, forms_of
from tests.emulator.stacks import Stack, recorder
from tests.emulator.users import user_who_may

CANARY = f"{leaks.PLANTED}-51c0"
HISTORY = "the history of an execution"
PRINTS = "def main(note): print(note)"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    """A separate local AWS for the test, which stops it itself."""
    started = LocalAws.start(tmp_path / "aws")
    yield started
    if started.is_running():
        started.stop()


def issued(aws: LocalAws, kind: str) -> str:
    lines = (aws.state_directory / ISSUED).read_text().splitlines()
    return next(line.split("\t")[1] for line in lines if line.startswith(kind))


def log(aws: LocalAws, group: str, message: str) -> None:
    logs = boto3.client("logs", **aws.client_settings)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now, "message": message}]
    )


def response_url(aws: LocalAws, folder: Path) -> str:
    stack = Stack(aws, folder / "record")
    assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
    return str(stack.requests()[0]["ResponseURL"])


def role_trusting(aws: LocalAws, principal: dict[str, str]) -> str:
    iam = boto3.client("iam", **aws.client_settings)
    trust = {**TRUST, "Principal": principal}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]


def session_token(aws: LocalAws, _: Path) -> str:
    sts = boto3.client("sts", **aws.client_settings)
    role = role_trusting(aws, {"AWS": "*"})
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="session")
    return str(assumed["Credentials"]["SessionToken"])


def root_secret(aws: LocalAws, _: Path) -> str:
    return aws.client_settings["aws_secret_access_key"]


def root_id(aws: LocalAws, _: Path) -> str:
    return aws.client_settings["aws_access_key_id"]


def user_secret(aws: LocalAws, _: Path) -> str:
    return user_who_may(aws, ["s3:*"])["aws_secret_access_key"]


def job_token(aws: LocalAws, _: Path) -> str:
    job = Jobs(aws)
    token = job.log(job.run("import os\ndef main(): print(os.environ['AWS_SESSION_TOKEN'])"))
    return token.strip()


GivenOut = Callable[[LocalAws, Path], str]


@pytest.mark.parametrize(
    ("secret", "kind"),
    length.first(
        3,
        [
            (response_url, "a ResponseURL"),
            (session_token, "a session token"),
            (job_token, "a session token"),
            (root_secret, "a secret access key"),
            (root_id, "a root access key id"),
            (user_secret, "a secret access key"),
            (lambda *_: CANARY, "a hyperparameter"),
        ],
    ),
)
def test_a_secret_in_a_functions_log_fails_the_run(
    aws: LocalAws, tmp_path: Path, secret: GivenOut, kind: str
) -> None:
    text = secret(aws, tmp_path)
    assert leaks.leaks(aws) == []
    log(aws, "/aws/lambda/handler", f'{{"at":"{text}"}}')
    with pytest.raises(leaks.LeakError) as raised:
        aws.stop()
    assert str(raised.value).splitlines()[1:] == [f"{kind} in the log group /aws/lambda/handler"]
    assert text not in str(raised.value)
    assert not aws.is_running()


def test_secrets_are_found_in_every_place(aws: LocalAws, tmp_path: Path) -> None:
    secret = root_secret(aws, tmp_path)
    with (aws.state_directory / LOG_FILE).open("a") as file:
        file.write(f"error: {secret}\n")
    leaks.keep_output(environments.of_command(aws), f"Outputs: {secret}")
    failing = Stack(aws, tmp_path / "record")
    reason = {"Create": {"Status": "FAILED", "Reason": f"it was {secret}"}}
    failing.create({"Resource": recorder(reason)}, roll_back=False)
    s3 = boto3.client("s3", **aws.client_settings)
    s3.create_bucket(Bucket="records")
    s3.put_object(Bucket="records", Key=".cdk-braket/jobs/1", Body=secret.encode())
    jobs = Jobs(aws)
    jobs.start(f"def main(): raise ValueError({secret!r})")
    jobs.over(jobs.start(f"def main(): raise ValueError({secret!r})"))
    places = {leak.partition(" in ")[2] for leak in leaks.leaks(aws)}
    assert places == {
        f"the file {LOG_FILE}",
        "the file commands.log",
        f"the stack {failing.name}",
        "a record of the handler's",
        f"the log group {JOB_LOG_GROUP}",
        "what GetJob tells",
    }
    with pytest.raises(leaks.LeakError):
        aws.stop()


# test_secrets_are_found_in_every_place has each place; another test has a deleted one.
@pytest.mark.long
def test_a_hyperparameter_is_one_of_any_job(aws: LocalAws) -> None:
    jobs = Jobs(aws)
    jobs.run(PRINTS, hyperParameters={"note": "of one job alone"})
    assert leaks.leaks(aws) == [], "its own log may show it"
    log(aws, "/aws/lambda/handler", "refused: of one job alone.")
    assert leaks.leaks(aws) == ["a hyperparameter in the log group /aws/lambda/handler"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


def test_a_response_url_has_no_place_even_in_a_jobs_log(aws: LocalAws, tmp_path: Path) -> None:
    log(aws, JOB_LOG_GROUP, response_url(aws, tmp_path))
    assert leaks.leaks(aws) == [f"a ResponseURL in the log group {JOB_LOG_GROUP}"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


# --- What a job may show, and what not. ---


def test_a_job_may_show_its_own_session_but_no_others(aws: LocalAws) -> None:
    jobs = Jobs(aws)
    own = "import os\ndef main(): print(os.environ['AWS_SESSION_TOKEN'])"
    [first, _] = [jobs.log(jobs.run(own)).strip() for _ in range(2)]
    assert leaks.leaks(aws) == []
    jobs.run(f"def main(): print({first!r})")
    assert leaks.leaks(aws) == [f"a session token in the log group {JOB_LOG_GROUP}"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


SAVES = """
import os
from pathlib import Path
def main(text=""):
    saved = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "saved.txt")
    saved.write_text(text or os.environ["AWS_SESSION_TOKEN"])
"""


# Another test has the same exceptions in the output of a job.
@pytest.mark.long
def test_results_may_show_hyperparameters_and_the_jobs_own_session_alone(aws: LocalAws) -> None:
    jobs = Jobs(aws)
    jobs.run(SAVES)
    jobs.run(SAVES, hyperParameters={"text": CANARY})
    assert leaks.leaks(aws) == []
    jobs.run(SAVES, hyperParameters={"text": root_secret(aws, Path())})
    assert leaks.leaks(aws) == [f"a secret access key in an object in {jobs.bucket}"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


# --- What is deleted before the local AWS stops. ---


def test_a_log_is_searched_after_its_group_was_deleted(aws: LocalAws) -> None:
    logs = boto3.client("logs", **aws.client_settings)
    log(aws, "/aws/lambda/handler", CANARY)
    logs.delete_log_group(logGroupName="/aws/lambda/handler")
    with pytest.raises(leaks.LeakError, match="a hyperparameter in the log group /aws/lambda/h"):
        aws.stop()


def test_a_record_is_found_after_it_was_deleted(aws: LocalAws) -> None:
    s3 = boto3.client("s3", **aws.client_settings)
    s3.create_bucket(Bucket="records")
    s3.put_object(Bucket="records", Key=".cdk-braket/jobs/1", Body=CANARY.encode())
    s3.delete_object(Bucket="records", Key=".cdk-braket/jobs/1")
    s3.delete_bucket(Bucket="records")
    with pytest.raises(leaks.LeakError, match="a hyperparameter in a record of the handler's"):
        aws.stop()


# Records, outputs, logs and change sets are recorded alike.
@pytest.mark.long
def test_events_of_a_stack_are_searched_after_another_replaced_it(
    aws: LocalAws, tmp_path: Path
) -> None:
    stack = Stack(aws, tmp_path / "record")
    told = {"Create": {"Status": "FAILED", "Reason": f"it was {CANARY}"}}
    assert stack.create({"Resource": recorder(told)}) == "ROLLBACK_COMPLETE"
    stack.delete()
    assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
    assert f"a hyperparameter in the stack {stack.name}" in leaks.leaks(aws)
    with pytest.raises(leaks.LeakError):
        aws.stop()


# test_secrets_are_found_in_every_place has each place; another test has a deleted one.
@pytest.mark.long
def test_the_outputs_of_a_stack_are_searched_after_another_replaced_it(
    aws: LocalAws, tmp_path: Path
) -> None:
    stack = Stack(aws, tmp_path / "record")
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    for value in (CANARY, "something else"):
        template = {"Resources": topic, "Outputs": {"Told": {"Value": value}}}
        made = stack.client.create_stack(StackName=stack.name, TemplateBody=json.dumps(template))
        stack.client.get_waiter("stack_create_complete").wait(
            StackName=made["StackId"], WaiterConfig={"Delay": 1}
        )
        stack.delete()
    assert f"a hyperparameter in the stack {stack.name}" in leaks.leaks(aws)
    with pytest.raises(leaks.LeakError):
        aws.stop()


# As a handler would that logs an event. Not that of the Delete: what it logs comes after its
# answer, and so may come after the log group is gone, and make it anew.
LOUD = """
import json, urllib.request

def handler(event, context):
    if event["RequestType"] == "Create":
        print(json.dumps(event))
    names = ("StackId", "RequestId", "LogicalResourceId")
    answer = {name: event[name] for name in names}
    answer |= {"PhysicalResourceId": "id", "Status": "SUCCESS"}
    url, body = event["ResponseURL"], json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT"), timeout=10).read()
"""


# test_secrets_are_found_in_every_place has each place; another test has a deleted one.
@pytest.mark.long
def test_a_log_is_searched_after_its_stack_was_destroyed(aws: LocalAws, tmp_path: Path) -> None:
    function = {
        "Code": {"ZipFile": LOUD},
        "Handler": "index.handler",
        "Runtime": "python3.13",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "LoggingConfig": {"LogGroup": {"Ref": "Group"}},
    }
    resource = recorder({}, Note=CANARY)
    resource["Properties"]["ServiceToken"] = {"Fn::GetAtt": ["Loud", "Arn"]}
    stack = Stack(aws, tmp_path / "record")
    status = stack.create(
        {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "loud"}},
            "Loud": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Resource": resource,
        }
    )
    assert status == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert leaks.leaks(aws) == [
        "a ResponseURL in the log group loud",
        "a hyperparameter in the log group loud",
    ]
    with pytest.raises(leaks.LeakError):
        aws.stop()


def test_the_history_of_an_execution_may_show_hyperparameters_and_nothing_else(
    aws: LocalAws,
) -> None:
    states = boto3.client("stepfunctions", **aws.client_settings)
    role = role_trusting(aws, {"Service": "states.amazonaws.com"})
    for note in (CANARY, root_secret(aws, Path())):
        says = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Result": note, "End": True}}}
        machine = states.create_state_machine(
            name="machine", definition=json.dumps(says), roleArn=role
        )["stateMachineArn"]
        run = states.start_execution(stateMachineArn=machine)["executionArn"]
        while states.describe_execution(executionArn=run)["status"] == "RUNNING":
            time.sleep(0.05)
        found = leaks.leaks(aws)
        assert found == ([] if note == CANARY else [f"a secret access key in {HISTORY}"])
        states.delete_state_machine(stateMachineArn=machine)
    with pytest.raises(leaks.LeakError):
        aws.stop()


def test_a_change_set_is_searched_after_it_was_deleted(aws: LocalAws) -> None:
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    cloudformation.create_change_set(
        StackName="changed",
        ChangeSetName="change",
        ChangeSetType="CREATE",
        TemplateBody=template,
        Description=CANARY,
    )
    cloudformation.delete_change_set(StackName="changed", ChangeSetName="change")
    assert leaks.leaks(aws) == ["a hyperparameter in the stack changed"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


# --- Those that commands of ours start. ---

LEAKS = """
import os, boto3
logs = boto3.client("logs")
logs.create_log_group(logGroupName="command")
logs.create_log_stream(logGroupName="command", logStreamName="s")
event = {"timestamp": 1, "message": os.environ["AWS_SECRET_ACCESS_KEY"]}
logs.put_log_events(logGroupName="command", logStreamName="s", logEvents=[event])
"""


@pytest.mark.parametrize(
    ("code", "leak"),
    [("print()", ""), (LEAKS, "a secret access key in the log group command")],
)
def test_a_watched_command_fails_if_its_local_aws_wrote_secrets(code: str, leak: str) -> None:
    command = [*watched_command.COMMAND, "cdk_braket_local.cli", "run", "--no-bootstrap", "--"]
    done = subprocess.run(
        [*command, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (bool(leak), [leak] if leak else [])


# --- Parts and forms of secrets. ---

# No sixteen characters of it are without one that URLs or JSON may escape.
TOKEN = "Q29jKx9ab/cdEFGH1234+567890abc/defghijkLM+NOPqrstuvw"
URL = f"http://127.0.0.1:4566/_ministack/cfn-response/x?Signature={TOKEN}"


@pytest.mark.parametrize(
    "text",
    [
        URL,
        json.dumps({"url": URL}),
        json.dumps(json.dumps({"url": URL})),
        json.dumps(URL).replace("+", "\\u002b").replace("/", "\\/"),
        repr(URL).replace("+", "\\x2b").replace("/", "\\x2f"),
        json.dumps(f"see\n{TOKEN}"),
        json.dumps(f"\t{TOKEN}"),
        quote(URL, safe=""),
        f"ab-{TOKEN}",
        f"{TOKEN}_x",
        repr(b"\x00" + TOKEN.encode()),
        *(base64.b64encode(b"." * pad + URL.encode()).decode() for pad in range(3)),
        base64.urlsafe_b64encode(f"~~~{TOKEN}".encode()).decode(),
        *(f"{'Xy3'[:n]}{base64.b64encode(URL.encode()).decode()}" for n in range(1, 4)),
        f"x={base64.b64encode(URL.encode()).decode()}",
        URL[:-6],
        TOKEN[5:21],
        f"{TOKEN[:20]}\n{TOKEN[20:]}",
    ],
)
def test_a_secret_is_found_in_each_form_and_in_part(text: str) -> None:
    secret = Secret("secret", TOKEN)
    others = [Secret("other", f"{number:040x}") for number in range(10)]
    assert Secrets([secret, *others]).found_in(f"before {text} after") == {secret}


def test_strings_similar_to_a_secret_are_not_found() -> None:
    part = TOKEN[:15]
    text = f"{part} {part}zzzz zz{part} {TOKEN[::-1]} {base64.b64encode(part.encode())!r}"
    assert Secrets([Secret("secret", TOKEN)]).found_in(text) == set()


HYPERPARAMETERS = [
    '{"read x":["read","bucket"]}',
    "line1\nline2 secretsecret",
    'pass"word12345',
    "pässwörd12345",
    "back\\slash",
    "two words + more",
]


@pytest.mark.parametrize("value", HYPERPARAMETERS)
@pytest.mark.parametrize(
    "form",
    [
        str,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(json.dumps({"hyperParameters": {"name": value}})),
        repr,
        quote,
        quote_plus,
    ],
)
def test_a_hyperparameter_is_found_in_each_form(value: str, form: Callable[[str], str]) -> None:
    assert any(each in form(value) for each in forms_of(value))


def test_of_a_long_hyperparameter_the_beginning_is_enough() -> None:
    value = "".join(f"{number:02}, " for number in range(30))
    assert any(each in f"it was {value[:40]} …" for each in forms_of(value))
    assert not any(each in value[:40] for each in forms_of(value[: LONG_VALUE - 1]))


def test_every_app_of_the_suite_carries_something_to_look_for() -> None:
    apps = (environments.ROOT / "tests/deploy/apps").glob("*/app.py")
    assert [app for app in apps if leaks.PLANTED not in app.read_text()] == []
