"""Says what it is told."""

from braket.jobs import save_job_result


def main(text: str) -> None:
    """Print the text and save it."""
    print(text)
    save_job_result({"text": text})
