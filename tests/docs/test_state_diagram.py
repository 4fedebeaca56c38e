"""The diagram of a run's states in the decision record is that of the handler's table."""

from pathlib import Path

from cdk_braket._lambda.braket_jobs.handler.job_record import TRANSITIONS, State

PAGE = Path(__file__).parents[2] / "docs" / "adr" / "0004-one-job-per-definition.md"


def state_diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.WANTED}"]
    for state, steps in TRANSITIONS.items():
        for target in State:
            names = [step.value for step, to in steps.items() if to is target and to is not state]
            if names:
                lines.append(f"    {state} --> {target}: {', '.join(names)}")
    return "\n".join([*lines, "```"])


def test_the_decision_record_shows_the_table_that_the_handler_uses() -> None:
    diagram = state_diagram()
    assert diagram in PAGE.read_text(encoding="utf-8"), f"{PAGE.name} has to show:\n{diagram}"
