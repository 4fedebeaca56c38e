"""`cdk-braket metrics`: the values that a script logged with `log_metric`."""

from collections.abc import Sequence

import click
from rich.console import RenderableType

from cdk_braket_cli.command import Call, command, job_argument
from cdk_braket_cli.metric_series import read_metrics
from cdk_braket_cli.output import table, text, time_text
from cdk_braket_client.job_log import MetricLine


@command("metrics")
@job_argument
@click.option("--metric", "names", multiple=True, metavar="NAME", help="Only this metric.")
@click.option("--last", is_flag=True, help="Only the last line.")
def metrics(call: Call, job: str, names: tuple[str, ...], *, last: bool) -> None:
    """Show the metrics of a job, as the script logged them.

    JOB is STACK/PATH, a job name, an id or an ARN.
    """
    with call.out.progress("reading the log"):
        found, lines = read_metrics(call, job, names)
    shown = lines[-1:] if last else lines
    if not shown:
        kind = "such metrics" if names else "metrics"
        call.out.note(f"{found['jobName']} is {found['status']} and has logged no {kind}")
    call.out.show([_value(line) for line in shown], _table(shown))


def _value(line: MetricLine) -> dict[str, object]:
    return {"time": line.time, "iteration": line.iteration, "values": line.values}


def _table(lines: Sequence[MetricLine]) -> RenderableType:
    names = list(dict.fromkeys(name for line in lines for name in line.values))
    made = table("TIME", "ITERATION", *map(str, names))
    for line in lines:
        iteration = "" if line.iteration is None else f"{line.iteration:g}"
        values = (f"{line.values[name]:.6g}" if name in line.values else "" for name in names)
        made.add_row(time_text(line.time), iteration, *map(text, values))
    return made if lines else ""
