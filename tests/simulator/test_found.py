"""Counter-examples that the random driver found, by name."""

from cdk_braket._lambda.hybrid_job_handler import index
from cdk_braket._lambda.hybrid_job_handler.calls import COMPLETED
from cdk_braket._lambda.hybrid_job_handler.failures import Kind, ServiceError
from tests.handler.worlds import properties
from tests.simulator.cloudformation import CloudFormation, Mailbox
from tests.simulator.lambda_service import Failing, Faults

UNKNOWN = ServiceError("GetJob", "ResourceNotFoundException", "", Kind.NOT_FOUND)


def once_unknown(_attempt: int) -> Faults:
    """GetJob's first answer is that there is no such job."""
    return Faults(before=Failing(UNKNOWN, frozenset({"get_job"}), 0, 1))


def stack_with_job() -> CloudFormation:
    cfn = CloudFormation(Mailbox(), index.respond_to)
    cfn.create(properties("A"))
    return cfn


def test_a_job_that_one_answer_calls_unknown_is_cancelled_all_the_same() -> None:
    cfn = stack_with_job()
    answer = cfn.delete(cfn.held, properties("A"), once_unknown)
    assert answer is not None
    assert answer.ok
    assert cfn.world.alive() == []


def test_a_completed_job_that_one_answer_calls_unknown_does_not_run_again() -> None:
    cfn = stack_with_job()
    first = cfn.held
    cfn.world.finish(first, COMPLETED)
    cfn.update(properties("B"))
    cfn.delete(first, properties("A"))
    cfn.update(properties("A"), once_unknown)
    assert cfn.held == first
    assert len(cfn.world.jobs) == 2
