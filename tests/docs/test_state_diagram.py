"""The diagram of a run's states on our pages is that of the handler's table."""

from pathlib import Path

import pytest

from cdk_braket._lambda.braket_jobs.handler.job_record import TRANSITIONS, State

DOCS = Path(__file__).parents[2] / "docs"


def state_diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.WANTED}"]
    for state, steps in TRANSITIONS.items():
        for target in State:
            names = [step.value for step, to in steps.items() if to is target and to is not state]
            if names:
                lines.append(f"    {state} --> {target}: {', '.join(names)}")
    return "\n".join([*lines, "```"])


@pytest.mark.parametrize("page", ["adr/0004-one-job-per-definition.md", "explain/architecture.md"])
def test_the_page_shows_the_table_that_the_handler_uses(page: str) -> None:
    diagram = state_diagram()
    assert diagram in (DOCS / page).read_text(encoding="utf-8"), f"{page} must show:\n{diagram}"
