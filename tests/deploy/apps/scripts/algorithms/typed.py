"""Has eight hyperparameters with types."""

from braket.jobs import save_job_result


def main(a: int, b: float, c: str, d: str, e: int, f: float, g: str, h: int):
    save_job_result({"values": [a, b, c, d, e, f, g, h]})
