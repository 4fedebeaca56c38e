"""Rules on a job: their patterns, their dependencies, and their requirements."""

import json
from collections.abc import Callable
from typing import cast

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobEnvironment,
    IHybridJob,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import CATCH_UP_TYPE
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    image_job,
    new_stack,
    only,
    resources,
    statements,
    text,
)

_RULE = "AWS::Events::Rule"
_ARN = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"


def _pattern(stack: Stack) -> Json:
    return cast("Json", only(stack, _RULE)["EventPattern"])


def _depends_on(stack: Stack, type: str) -> set[str]:
    [resource] = resources(stack, type).values()
    return set(cast("list[str]", resource["DependsOn"]))


@pytest.mark.parametrize(
    ("add", "status"),
    [
        (HybridJob.on_completed, "COMPLETED"),
        (HybridJob.on_failed, "FAILED"),
        (HybridJob.on_cancelled, "CANCELLED"),
    ],
)
def test_each_end_has_a_separate_rule(add: Callable[[HybridJob, str], object], status: str) -> None:
    stack = new_stack()
    add(image_job(stack), "Rule")
    detail = cast("Json", _pattern(stack)["detail"])
    assert detail["status"] == [status]
    assert text(detail["jobArn"]) == "<[{'Fn::GetAtt': ['JobB9D00F9F', 'JobArn']}]>"
    assert _pattern(stack)["detail-type"] == ["Braket Job State Change"]


def test_without_statuses_all_are_matched() -> None:
    stack = new_stack()
    image_job(stack).on_state_change("Rule")
    assert set(cast("Json", _pattern(stack)["detail"])) == {"jobArn"}
    catch_up = only(stack, CATCH_UP_TYPE)
    assert str(catch_up["Statuses"]).split() == sorted(model_rules.enum_values("JobPrimaryStatus"))


def test_a_rule_matches_events_of_the_service_and_replays() -> None:
    stack = new_stack()
    job = image_job(stack)
    for name in ("One", "Two"):
        job.on_failed(name)
    patterns = [
        cast("Json", cast("Json", rule["Properties"])["EventPattern"])
        for rule in resources(stack, _RULE).values()
    ]
    sources = [cast("list[str]", pattern["source"]) for pattern in patterns]
    told = {
        str(cast("Json", each["Properties"])["EventSource"])
        for each in resources(stack, CATCH_UP_TYPE).values()
    }
    assert all(first == "aws.braket" for first, _ in sources)
    assert {own for _, own in sources} == told
    assert len(told) == 2


def test_missed_events_are_replayed_after_all_targets_exist() -> None:
    stack = new_stack()
    queue = sqs.Queue(stack, "Queue")
    function = lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
    )
    rule = image_job(stack).on_failed("Rule", target=targets.SqsQueue(queue))
    rule.add_target(targets.LambdaFunction(function))
    needed = {
        name
        for kind in (_RULE, "AWS::SQS::QueuePolicy", "AWS::Lambda::Permission")
        for name in resources(stack, kind)
        if "DeadLetters" not in name
    }
    assert needed <= _depends_on(stack, CATCH_UP_TYPE)
    assert len(cast("list[object]", only(stack, _RULE)["Targets"])) == 2


def test_a_target_without_a_separate_resource_is_supported() -> None:
    stack = new_stack()
    queue = sqs.Queue.from_queue_arn(stack, "Queue", f"arn:aws:sqs:us-east-1:{ACCOUNT}:mine")
    image_job(stack).on_failed("Rule", target=targets.SqsQueue(queue))
    assert set(resources(stack, _RULE)) <= _depends_on(stack, CATCH_UP_TYPE)


def test_the_handler_may_put_just_these_events() -> None:
    stack = new_stack()
    image_job(stack)
    before = json.dumps(statements(stack, ""))
    assert "events:" not in before
    stack = new_stack()
    image_job(stack).on_failed("Rule")
    [statement] = [s for s in statements(stack, "Handler") if s["Action"] == "events:PutEvents"]
    assert text(statement["Resource"]).endswith(f":events:{REGION}:{ACCOUNT}:event-bus/default")
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"events:detail-type": "Braket Job State Change"},
        "ForAllValues:StringLike": {"events:source": "cdk-braket.*"},
        "Null": {"events:detail-type": "false", "events:source": "false"},
    }


def test_a_job_of_another_app_has_events_only_after_the_rule_exists() -> None:
    stack = new_stack()
    HybridJob.from_hybrid_job_arn(stack, "Other", _ARN).on_failed("Rule")
    assert _pattern(stack)["source"] == ["aws.braket"]
    assert cast("Json", _pattern(stack)["detail"])["jobArn"] == [_ARN]
    assert resources(stack, CATCH_UP_TYPE) == {}


def test_a_rule_and_its_target_can_be_in_the_stack_that_reads_the_job() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    owner, reader = Stack(app, "Owner", env=env), Stack(app, "Reader", env=env)
    job: IHybridJob = image_job(owner)
    function = lambda_.Function(
        reader,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
        environment={"RESULTS": job.results_s3_uri},
    )
    target = targets.LambdaFunction(function)
    job.on_completed("Rule", target=target, cross_stack_scope=reader)
    job.notify(sns.Topic(reader, "Topic"), cross_stack_scope=reader)
    app.synth()
    template = Template.from_stack(reader)
    template.resource_count_is(_RULE, 2)
    template.resource_count_is(CATCH_UP_TYPE, 2)
    Template.from_stack(owner).resource_count_is(_RULE, 0)
    # The policy of another stack has to be there before the handler is asked.
    assert any("BraketHybridJobs" in name for name in resources(reader, "AWS::IAM::Policy"))
    for catch_up in resources(reader, CATCH_UP_TYPE).values():
        assert set(resources(reader, "AWS::IAM::Policy")) & set(
            cast("list[str]", catch_up["DependsOn"])
        )


def _followed(shots: int, team: str = "a") -> tuple[Stack, Stack]:
    """A job, and a stack that has a rule on it."""
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    owner, reader = Stack(app, "Owner", env=env), Stack(app, "Reader", env=env)
    job = HybridJob(
        owner,
        "Vqe",
        image=ContainerImage.base(),
        device=LOCAL,
        hyperparameters={"shots": shots},
        tags={"team": team},
    )
    queue = sqs.Queue(reader, "Queue")
    job.on_failed("Rule", target=targets.SqsQueue(queue), cross_stack_scope=reader)
    app.synth()
    return owner, reader


def test_a_changed_definition_needs_no_export_to_change() -> None:
    owner, reader = _followed(shots=1)
    [arn] = cast("list[Json]", cast("Json", _pattern(reader)["detail"])["jobArn"])
    assert list(arn) == ["Fn::GetStackOutput"]
    outputs = cast("dict[str, Json]", Template.from_stack(owner).to_json()["Outputs"])
    exported = json.dumps([each["Value"] for each in outputs.values() if "Export" in each])
    assert "JobArn" not in exported
    assert "HandlerFunction" in exported, "what does not change is not given up while it is used"


def test_a_changed_definition_changes_the_stack_that_follows_it_and_a_tag_does_not() -> None:
    first, again, tagged, changed = (
        Template.from_stack(reader).to_json()
        for _, reader in (_followed(1), _followed(1), _followed(1, "b"), _followed(2))
    )
    assert first == again == tagged
    assert first != changed


def test_a_rule_in_the_stack_of_its_job_needs_no_digest() -> None:
    stack = new_stack()
    image_job(stack).on_failed("Rule")
    assert "Definition" not in only(stack, CATCH_UP_TYPE)


def test_tasks_are_matched_by_the_folder_of_their_results() -> None:
    stack = new_stack()
    image_job(stack).on_task_state_change("Rule", statuses=["FAILED"])
    assert _pattern(stack)["detail-type"] == ["Braket Task State Change"]
    assert _pattern(stack)["source"] == ["aws.braket"]
    detail = cast("Json", _pattern(stack)["detail"])
    assert detail["status"] == ["FAILED"]
    [folder] = cast("list[Json]", detail["outputS3Directory"])
    assert text(folder["prefix"]) == ("jobs/<{'Fn::GetAtt': ['JobB9D00F9F', 'JobName']}>/tasks/")


def test_a_topic_receives_a_message_when_the_job_ends() -> None:
    stack = new_stack()
    job = image_job(stack)
    for name in ("One", "Two"):
        job.notify(sns.Topic(stack, name))
    for rule in resources(stack, _RULE).values():
        properties = cast("Json", rule["Properties"])
        detail = cast("Json", cast("Json", properties["EventPattern"])["detail"])
        assert detail["status"] == ["CANCELLED", "COMPLETED", "FAILED"]
        [target] = cast("list[Json]", properties["Targets"])
        template = text(cast("Json", target["InputTransformer"])["InputTemplate"])
        assert template.startswith('"The hybrid job <detail-jobArn> is <detail-status>. See https')


def test_a_topics_key_lets_eventbridge_use_it() -> None:
    stack = new_stack()
    image_job(stack).notify(sns.Topic(stack, "Topic", master_key=kms.Key(stack, "Key")))
    [key] = [each for name, each in resources(stack, "AWS::KMS::Key").items() if "Key" in name[:3]]
    document = cast("Json", cast("Json", key["Properties"])["KeyPolicy"])
    assert {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": "*",
    } in cast("list[object]", document["Statement"])


def test_a_pattern_that_cannot_match_is_refused_before_a_rule_exists() -> None:
    stack = new_stack()
    job = image_job(stack)
    with pytest.raises(ValidationError, match=r"\[Stack/Job/Rule\].*DONE.*is no JobPrimaryStatus"):
        job.on_state_change("Rule", statuses=["FAILED", "DONE"])
    with pytest.raises(ValidationError, match="statuses: is empty"):
        job.on_state_change("Rule", statuses=[])
    with pytest.raises(ValidationError, match="is no QuantumTaskStatus"):
        job.on_task_state_change("Rule", statuses=["DONE"])
    with pytest.raises(ValidationError, match="FIFO"):
        job.notify(sns.Topic(stack, "Topic", fifo=True))
    assert resources(stack, _RULE) == {}


def test_the_tasks_of_a_job_whose_name_is_not_known_cannot_be_matched() -> None:
    stack = new_stack()
    other = HybridJob.from_hybrid_job_arn(stack, "Other", _ARN)
    with pytest.raises(ValidationError, match="job_name"):
        other.on_task_state_change("Rule")


def test_an_environment_allows_replays_for_rules_of_other_apps() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Jobs")
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, environment=environment)
    environment.allow_events()
    assert [s for s in statements(stack, "Handler") if s["Action"] == "events:PutEvents"]
