"""`cdk-braket sweep`: the executions of sweeps, their tables and plots."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from cdk_braket._lambda.braket_jobs.api.sweep_table import Row, table_of
from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command, confirm
from cdk_braket_cli.errors import CommandError
from cdk_braket_cli.output import pairs, status_text, table, text, time_text
from cdk_braket_client.files import replacing
from cdk_braket_client.installation import install_command
from cdk_braket_client.job_reference import region_of
from cdk_braket_client.sweeps import SweepExecution, find_execution, rows_of

_EXIT_CODES = {
    "RUNNING": exit_codes.OK,
    "SUCCEEDED": exit_codes.OK,
    "FAILED": exit_codes.JOB_FAILED,
    "TIMED_OUT": exit_codes.JOB_FAILED,
    "ABORTED": exit_codes.JOB_CANCELLED,
}
_FORMATS = (".png", ".svg", ".pdf")
_COUNTS = ("total", "pending", "running", "succeeded", "failed", "aborted", "timedOut")


@click.group("sweep")
def sweep() -> None:
    """Follow, read and control sweeps.

    SWEEP is STACK/PATH (such as Chemistry/Sweep), the name of a stack with one sweep, or the ARN of
    a state machine or of an execution.
    """


def _sweep_command(name: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Turn a function into a command of the group that receives an execution."""

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def called(call: Call, sweep: str, execution: str | None, **values: Any) -> int | None:  # noqa: ANN401
            with call.out.progress("reading the sweep"):
                found = find_execution(call.clients, sweep, execution)
            return function(call, found, **values)

        chosen = click.option(
            "--execution", metavar="NAME", help="The name of an execution. Default: the latest."
        )(called)
        made = command(name)(click.argument("sweep", metavar="SWEEP")(chosen))
        sweep.add_command(made)
        return made

    return decorate


@_sweep_command("status")
def status(call: Call, execution: SweepExecution) -> int:
    """Show how many points of a sweep wait, run and have ended."""
    counts = {name: execution.counts.get(name, 0) for name in _COUNTS}
    described = execution.described
    rows = {
        "Execution": execution.arn.rpartition(":")[2],
        "Status": status_text(execution.status),
        "Points": ", ".join(f"{n} {name}" for name, n in counts.items() if n or name == "total"),
        "Started": time_text(described.get("startDate")),
        "Ended": time_text(described.get("stopDate")),
        "Redrives": str(described.get("redriveCount") or ""),
        "Error": described.get("error", ""),
        "Cause": described.get("cause", ""),
    }
    value = {"execution": execution.arn, "status": execution.status, "points": counts}
    call.out.show(value, pairs(rows))
    return _EXIT_CODES.get(execution.status, exit_codes.ERROR)


@_sweep_command("table")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the table to this CSV file.",
)
def table_command(call: Call, execution: SweepExecution, output: Path | None) -> None:
    """Show one row for each point of a sweep that has ended."""
    rows = rows_of(call.clients, execution)
    if output is not None:
        with replacing(output) as partial:
            partial.write_text(table_of(rows), encoding="utf-8")
        call.out.note(f"wrote {output}")
    parameters = _names(row.parameters for row in rows)
    metrics = _names(row.metrics for row in rows)
    rendered = table("POINT", *parameters, "STATUS", *metrics, "HOURS", "REASON")
    for row in rows:
        rendered.add_row(
            str(row.index),
            *(text(str(row.parameters.get(name, ""))) for name in parameters),
            status_text(row.status),
            *(text(str(row.metrics.get(name, ""))) for name in metrics),
            str(row.values.get("instance_hours", "")),
            text(str(row.values.get("failure_reason", ""))),
        )
    call.out.show([_value(row) for row in rows], rendered)


@_sweep_command("plot")
@click.option("--metric", required=True, metavar="NAME", help="A number of the points' results.")
@click.option("--x", required=True, metavar="PARAMETER", help="The parameter of the x axis.")
@click.option("--y", metavar="PARAMETER", help="A second parameter; colors then show the metric.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sweep.png"),
    metavar="FILE",
    help="The picture: .png, .svg or .pdf. Default: sweep.png.",
)
def plot(
    call: Call, execution: SweepExecution, *, metric: str, x: str, y: str | None, output: Path
) -> None:
    """Draw a metric over one or two parameters. Needs the extra `plot`."""
    if output.suffix.lower() not in _FORMATS:
        raise click.UsageError(f"--output: expected .png, .svg or .pdf, got {output.name}.")
    rows = [row for row in rows_of(call.clients, execution) if metric in row.metrics]
    if not rows:
        raise CommandError(f"no point has the metric {metric}. `cdk-braket sweep table` shows all.")
    for name in filter(None, (x, y)):
        if any(name not in row.parameters for row in rows):
            known = ", ".join(_names(row.parameters for row in rows))
            raise CommandError(f"no parameter {name}. Use one of {known}.")
    try:
        _draw(rows, metric, x, y, output)
    except ImportError as error:
        raise CommandError(
            f"matplotlib is not installed; run: {install_command('plot')}"
        ) from error
    call.out.show({"file": str(output), "points": len(rows)}, f"wrote {output}")


@_sweep_command("redrive")
def redrive(call: Call, execution: SweepExecution) -> None:
    """Continue a sweep that failed or was stopped. Completed points are not run again."""
    if execution.status in {"RUNNING", "SUCCEEDED"}:
        raise CommandError(
            f"the sweep is {execution.status}. Only a failed or stopped one goes on."
        )
    clients = call.clients.in_region(region_of(execution.arn))
    clients.other("stepfunctions").redrive_execution(executionArn=execution.arn)
    call.out.show({"execution": execution.arn, "status": "RUNNING"}, f"redriven {execution.arn}")


@_sweep_command("cancel")
@click.option("--yes", is_flag=True, help="Cancel without a question; required without a terminal.")
def cancel(call: Call, execution: SweepExecution, *, yes: bool) -> int:
    """Stop a sweep and cancel its jobs. `cdk-braket sweep redrive` continues it."""
    if execution.status != "RUNNING":
        raise CommandError(f"the sweep is {execution.status}, and does not run.")
    if not yes:
        running = execution.counts.get("running", 0)
        confirm(f"Stop the sweep and cancel {running} jobs?")
    clients = call.clients.in_region(region_of(execution.arn))
    clients.other("stepfunctions").stop_execution(executionArn=execution.arn)
    call.out.show({"execution": execution.arn, "status": "ABORTED"}, f"stopped {execution.arn}")
    return exit_codes.OK


def _names(found: Any) -> list[str]:  # noqa: ANN401 - any iterable of mappings
    return list(dict.fromkeys(str(name) for names in found for name in names))


def _value(row: Row) -> dict[str, object]:
    return {
        "index": row.index,
        "parameters": dict(row.parameters),
        **row.values,
        "metrics": dict(row.metrics),
    }


def _draw(rows: list[Row], metric: str, x: str, y: str | None, output: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    values = [float(str(row.metrics[metric])) for row in rows]
    xs = _axis(row.parameters[x] for row in rows)
    axes.set_xlabel(x)
    if y is None:
        axes.plot(xs, values, "o", markersize=4)
        axes.set_ylabel(metric)
    else:
        points = axes.scatter(xs, _axis(row.parameters[y] for row in rows), c=values)
        axes.set_ylabel(y)
        figure.colorbar(points, label=metric)
    with replacing(output) as partial:
        figure.savefig(partial, format=output.suffix.lower().removeprefix("."))


def _axis(values: Iterable[object]) -> list[float] | list[str]:
    """Return the values of an axis: numbers, or categories if one value is no number."""
    texts = [str(value) for value in values]
    try:
        return [float(text) for text in texts]
    except ValueError:
        return texts
