"""Prints the states of a run as a Mermaid diagram, from the handler's own table."""

from cdk_braket._lambda.braket_jobs.handler.job_record import TRANSITIONS, State


def state_diagram() -> str:
    """Return the diagram that docs/adr/0004-one-job-per-definition.md shows."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.WANTED}"]
    for state, steps in TRANSITIONS.items():
        for target in State:
            names = [step.value for step, to in steps.items() if to is target and to is not state]
            if names:
                lines.append(f"    {state} --> {target}: {', '.join(names)}")
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    print(state_diagram())
