"""Thirteen named faults, and which handlers bear them: `python -m tests.simulator.table`."""

from collections.abc import Callable, Mapping
from typing import Final

from cdk_braket._lambda.braket_jobs.contract import COMPLETED
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.simulator import peers
from tests.simulator.cloudformation import MADE_UP, Answer, CloudFormation, FaultsOf, Mailbox
from tests.simulator.lambda_service import Failing, Faults, Handler, RoleNotYet
from tests.unit.handler.worlds import Killed, properties

HANDLERS: Final[Mapping[str, Handler]] = {
    "cdk-braket": index.respond_to,
    "crhelper": peers.crhelper,
    "Provider framework": peers.provider_framework,
    "AwsCustomResource": peers.aws_custom_resource,
}

A, B = properties("A"), properties("B")
_RESET = ServiceError("Any", "ConnectionClosedError", "no answer", Kind.TRANSIENT)
_THROTTLED = ServiceError("CreateJob", "ThrottlingException", "slow down", Kind.TRANSIENT)


def _ok(answer: Answer | None) -> bool:
    return answer is not None and answer.ok


def _holds(cfn: CloudFormation) -> bool:
    """Return whether the job that is held is the only one that lives."""
    return {job.arn for job in cfn.world.alive()} == {cfn.held} != {""}


def _killed_after_create(name: str, _number: int) -> None:
    if name == "create_job":
        raise Killed


def _at_first(faults: Faults) -> FaultsOf:
    return lambda attempt: Faults() if attempt else faults


def killed_once(cfn: CloudFormation) -> bool:
    """The function is killed after CreateJob, and retried"""
    answer = cfn.create(A, _at_first(Faults(after=_killed_after_create)))
    return _ok(answer) and _holds(cfn)


def killed_each_time(cfn: CloudFormation) -> bool:
    """It is killed each time; CloudFormation deletes with a generated id"""
    cfn.create(A, lambda _attempt: Faults(after=_killed_after_create))
    return _ok(cfn.delete(MADE_UP, A)) and not cfn.world.alive()


def delivered_twice(cfn: CloudFormation) -> bool:
    """A Create is delivered twice"""
    cfn.create(A)
    cfn.function.invoke(cfn.sent[0])
    return _holds(cfn)


def late_create(cfn: CloudFormation) -> bool:
    """A Create is delivered again after the Delete"""
    cfn.create(A)
    cfn.delete(cfn.held, A)
    cfn.function.invoke(cfn.sent[0])
    return not cfn.world.alive()


def role_not_yet(cfn: CloudFormation) -> bool:
    """The job's role cannot be assumed for the first minute"""
    return _ok(cfn.create(A, _at_first(Faults(before=RoleNotYet(cfn.world, 60))))) and _holds(cfn)


def throttled(cfn: CloudFormation) -> bool:
    """CreateJob is throttled eight times"""
    failing = Failing(_THROTTLED, frozenset({"create_job"}), 0, 8)
    return _ok(cfn.create(A, _at_first(Faults(before=failing)))) and _holds(cfn)


def deleted_meanwhile(cfn: CloudFormation) -> bool:
    """CloudFormation deletes while Create still runs"""
    deletions: list[Answer | None] = []

    def delete(name: str, _number: int) -> None:
        if name == "create_job" and not deletions:
            deletions.append(None)
            deletions[0] = cfn.delete(MADE_UP, A)

    cfn.create(A, _at_first(Faults(after=delete)))
    return _ok(deletions[0]) and not cfn.world.alive()


def rolled_back(cfn: CloudFormation) -> bool:
    """A replacement succeeds, and is rolled back"""
    cfn.create(A)
    first = cfn.held
    cfn.update(B)
    second = cfn.held
    cfn.roll_back(A, B)
    cfn.delete(second, B)
    return cfn.held == first and _holds(cfn)


def back_and_forth(cfn: CloudFormation) -> bool:
    """A job completes, its definition changes, and changes back"""
    cfn.create(A)
    first = cfn.held
    cfn.world.finish(first, COMPLETED)
    cfn.update(B)
    second = cfn.held
    cfn.delete(first, A)
    cfn.update(A)
    cfn.delete(second, B)
    return len(cfn.world.jobs) == 2


def retagged(cfn: CloudFormation) -> bool:
    """Nothing changes but the tags"""
    cfn.create(A)
    first = cfn.held
    cfn.update(properties("A", tags={"team": "other"}))
    return cfn.held == first and _holds(cfn)


def answer_refused(cfn: CloudFormation) -> bool:
    """The response gets HTTP 500, once"""
    cfn.world.answer_statuses = [500]
    return _ok(cfn.create(A)) and _holds(cfn)


def answer_lost(cfn: CloudFormation) -> bool:
    """The connection of the response is reset three times"""
    failing = Failing(_RESET, frozenset({"put_answer"}), 0, 3)
    return _ok(cfn.create(A, _at_first(Faults(before=failing)))) and _holds(cfn)


def deleted_when_over(cfn: CloudFormation) -> bool:
    """The resource of an ended job is deleted"""
    cfn.create(A)
    cfn.world.finish(cfn.held, COMPLETED)
    return _ok(cfn.delete(cfn.held, A))


CASES: Final[tuple[Callable[[CloudFormation], bool], ...]] = (
    killed_once,
    killed_each_time,
    delivered_twice,
    late_create,
    role_not_yet,
    throttled,
    deleted_meanwhile,
    rolled_back,
    back_and_forth,
    retagged,
    answer_refused,
    answer_lost,
    deleted_when_over,
)


def bears(handler: Handler, case: Callable[[CloudFormation], bool]) -> bool:
    """Play a case with a handler."""
    return case(CloudFormation(Mailbox(), handler))


def table() -> str:
    """Return the table as Markdown."""
    results = [[bears(handler, case) for handler in HANDLERS.values()] for case in CASES]
    broken = [str(column.count(False)) for column in zip(*results, strict=True)]
    rows = [
        [f"{case.__doc__}.", *("holds" if held else "**breaks**" for held in row)]
        for case, row in zip(CASES, results, strict=True)
    ]
    lines = [["Fault", *HANDLERS], ["---"] * (len(HANDLERS) + 1), *rows, ["Broken", *broken]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - it is what the command is for
