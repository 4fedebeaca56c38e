"""Stacks that an earlier release deployed, whose properties are JSON strings."""

import json

import pytest

from cdk_braket._lambda.braket_jobs.contract import COMPLETED, Property
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.properties import digest_or_none, read_definition
from tests.simulator.cloudformation import CloudFormation, Mailbox
from tests.types import sample
from tests.unit.handler.worlds import as_nested, properties


def _of_earlier_release(definition: str = "A") -> dict[str, object]:
    return {
        **properties(definition),
        Property.WAIT_FOR_COMPLETION: json.dumps({"timeoutSeconds": 60, "failStack": False}),
        Property.ENCRYPTION: json.dumps(
            {
                "amazon-braket-inputs": {"algorithm": "aws:kms", "key": "arn:aws:kms:::key/a"},
                "amazon-braket-results": {"algorithm": "AES256"},
            }
        ),
        Property.COPY_CHECKPOINTS_FROM: "s3://amazon-braket-results/jobs/before",
        Property.RERUN_TOKEN: "1",
    }


def test_both_forms_are_the_same_definition() -> None:
    given = _of_earlier_release()
    assert read_definition(as_nested(given)) == read_definition(given)


def test_every_member_has_the_same_digest_in_both_forms() -> None:
    request = {**sample.REQUEST, "roleArn": "arn:aws:iam::111122223333:role/job"}
    given = {**_of_earlier_release(), Property.REQUEST: json.dumps(request)}
    assert digest_or_none(given) is not None
    assert digest_or_none(as_nested(given)) == digest_or_none(given)


@pytest.mark.parametrize("is_over", [False, True])
def test_an_update_to_the_nested_form_starts_no_job(is_over: bool) -> None:
    cfn = CloudFormation(Mailbox(), index.respond_to)
    cfn.create(properties("A"))
    first = cfn.held
    if is_over:
        cfn.world.finish(first, COMPLETED)
    answer = cfn.update(as_nested(properties("A")))
    assert answer is not None
    assert answer.ok
    assert cfn.held == first
    assert list(cfn.world.jobs) == [first]
    # A rollback to the earlier release.
    cfn.update(properties("A"))
    assert list(cfn.world.jobs) == [first]


def test_a_changed_definition_starts_a_job_in_each_form() -> None:
    cfn = CloudFormation(Mailbox(), index.respond_to)
    cfn.create(properties("A"))
    cfn.update(as_nested(properties("B")))
    assert len(cfn.world.jobs) == 2
