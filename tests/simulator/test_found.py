"""Cases that random histories found or that mutants of the handler showed to be untested."""

from collections.abc import Callable

from cdk_braket._lambda.braket_jobs.contract import COMPLETED, OnDelete
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.simulator.cloudformation import MADE_UP, Answer, CloudFormation, Mailbox
from tests.simulator.lambda_service import Failing, Faults
from tests.unit.handler.worlds import Killed, properties

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


def test_a_duplicate_of_a_create_that_was_refused_starts_nothing() -> None:
    quota = ServiceError("CreateJob", "ServiceQuotaExceededException", "", Kind.PERMANENT)
    cfn = CloudFormation(Mailbox(), index.respond_to)
    refused = Faults(before=Failing(quota, frozenset({"create_job"}), 0, 1))
    answer = cfn.create(properties("A"), lambda _attempt: refused)
    assert answer is not None
    assert not answer.ok
    cfn.function.invoke(cfn.sent[0])
    assert cfn.world.jobs == {}


def test_a_delete_before_create_job_is_called_leaves_nothing_to_start() -> None:
    cfn = CloudFormation(Mailbox(), index.respond_to)
    deleted: list[Answer | None] = []

    def delete(name: str, _number: int) -> None:
        if name == "copy_asset" and not deleted:
            deleted.append(cfn.delete(MADE_UP, properties("A")))

    cfn.create(properties("A"), lambda _attempt: Faults(before=delete))
    assert cfn.world.jobs == {}
    assert deleted[0] is not None
    assert deleted[0].ok


def test_a_retained_job_whose_answer_was_lost_is_cancelled_when_its_update_is_rolled_back() -> None:
    cfn = stack_with_job()
    held, old = cfn.held, cfn.props
    new = properties("B", on_delete=OnDelete.RETAIN_JOB)
    cfn.world.answer_statuses = [403] * 20  # time and again, until Lambda gives up
    assert cfn.update(new) is None
    back = cfn.roll_back(old, new)
    assert back is not None
    assert back.ok
    assert [job.arn for job in cfn.world.alive()] == [held]


def test_a_lost_job_whose_tags_are_unknown_is_found_all_the_same() -> None:
    """The service has forgotten the token, and a search reports no tags."""
    world = Mailbox(search_tells_tags=False, remembers_tokens=0.0)
    cfn = CloudFormation(world, index.respond_to)

    def troubled(attempt: int) -> Faults:
        if attempt == 0:
            return Faults(after=_killed_at("create_job"))
        return once_unknown(attempt)

    answer = cfn.create(properties("A"), troubled)
    assert answer is not None
    assert answer.ok
    assert len(world.jobs) == 1


def _killed_at(method: str) -> Callable[[str, int], None]:
    def hook(name: str, _number: int) -> None:
        if name == method:
            raise Killed

    return hook
