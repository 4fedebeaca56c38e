"""`cdk-braket plot`: the metrics of jobs as a picture, in a file or in the terminal."""

import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command
from cdk_braket_cli.errors import CommandError
from cdk_braket_cli.metric_series import Series, common_axis, read_metrics, series_of
from cdk_braket_client.files import replacing
from cdk_braket_client.installation import install_command

_FORMATS = (".png", ".svg")
_TERMINAL_WIDTH, _TERMINAL_HEIGHT = 70, 18
# Columns that the scale at the left needs.
_SCALE = 16


@command("plot")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("--metric", "names", multiple=True, metavar="NAME", help="Only this metric.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture, FILE.png or FILE.svg. Default: draw in the terminal.",
)
def plot(call: Call, jobs: tuple[str, ...], names: tuple[str, ...], output: Path | None) -> int:
    """Plot the metrics of one or several jobs against the iteration.

    Needs the extra `plot`. Each JOB is STACK/PATH, a job name, an id or an ARN.
    """
    if output is not None and output.suffix.lower() not in _FORMATS:
        raise click.UsageError(f"--output: expected a file .png or .svg, got {output.name}.")
    with call.out.progress("reading the logs"):
        found, x_axis = _read(call, jobs, names)
    if not found:
        raise CommandError("the jobs have logged no such metrics; see `cdk-braket metrics`")
    value = {"x_axis": x_axis, "series": [_value(each) for each in found]}
    if output is not None:
        with call.out.progress(f"writing {output}"):
            _write(found, x_axis, output)
        call.out.show({**value, "file": str(output)}, f"wrote {output}")
    elif call.out.as_json:
        call.out.show(value, "")
    else:
        call.out.console.print(Text(_drawn(call, found, x_axis)), soft_wrap=True)
    return exit_codes.OK


def _read(call: Call, jobs: Sequence[str], names: Sequence[str]) -> tuple[list[Series], str]:
    read = [read_metrics(call, job, names) for job in jobs]
    x_axis = common_axis([line for _, lines in read for line in lines])
    series = [
        each
        for job, lines in read
        if lines
        for each in series_of(lines, f"{job['jobName']} " if len(read) > 1 else "", x_axis)
    ]
    return [finite for each in series if (finite := _finite(each)).xs], x_axis


def _finite(series: Series) -> Series:
    """Return a series without infinities and NaN, which have no place on a scale."""
    points = [
        (x, y)
        for x, y in zip(series.xs, series.ys, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    return Series(series.label, tuple(x for x, _ in points), tuple(y for _, y in points))


def _value(series: Series) -> dict[str, object]:
    return {"label": series.label, "x": series.xs, "y": series.ys}


def _library(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise CommandError(f"{package} is not installed; run: {install_command('plot')}") from error


def _write(series: Sequence[Series], x_axis: str, file: Path) -> None:
    backend = _library("matplotlib.backends.backend_" + {".svg": "svg"}.get(_suffix(file), "agg"))
    # No pyplot: its global state and window system have no place here.
    figure = _library("matplotlib.figure").Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    backend.FigureCanvas(figure)
    axes = figure.subplots()
    for each in series:
        # A label that begins with _ is hidden, and a dollar begins a formula.
        axes.plot(each.xs, each.ys, "o-", markersize=3, label=f"\u200b{_plain(each.label)}")
    axes.set_xlabel(x_axis)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    with replacing(file) as partial:
        figure.savefig(partial, format=_suffix(file).removeprefix("."))


def _suffix(file: Path) -> str:
    return file.suffix.lower()


def _plain(label: str) -> str:
    return label.replace("$", r"\$")


def _drawn(call: Call, series: Sequence[Series], x_axis: str) -> str:
    figure = _library("plotille").Figure()
    console = call.out.console
    is_terminal = console.is_terminal
    figure.width = max(console.width - _SCALE - 4, 20) if is_terminal else _TERMINAL_WIDTH
    figure.height = _TERMINAL_HEIGHT
    figure.color_mode = "names"
    figure.with_colors = False
    # Lines at zero look like one more metric.
    figure.origin = False
    figure.x_label, figure.y_label = x_axis[:12], ""
    for each in series:
        figure.plot(each.xs, each.ys, label=each.label)
    return str(figure.show(legend=True))
