"""Adds the terms of a geometric series, and continues from the checkpoint of another job."""

from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result


def main(terms: int, previous: str = ""):
    state = load_job_checkpoint(previous) if previous else {"terms": 0, "sum": 0.0}
    resumed_at = state["terms"]
    for number in range(resumed_at, terms):
        state = {"terms": number + 1, "sum": state["sum"] + 0.5**number}
        save_job_checkpoint(state)
    save_job_result({**state, "resumed at": resumed_at})
