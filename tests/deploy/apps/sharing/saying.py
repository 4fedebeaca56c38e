"""Prints a given text."""

from braket.jobs import save_job_result


def main(text: str, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Print the text and save it."""
    print(text)
    save_job_result({"text": text})
