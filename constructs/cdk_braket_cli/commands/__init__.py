"""The commands, one module each.

To add a command, write a module with a function below `@command`, and list it here. A group of
commands, such as `cdk-braket sweep status`, is a `click.Group` whose commands are functions below
`@command` as well. Start at `status`, which is the shortest.
"""

from typing import Final

import click

from . import (
    cancel,
    completion,
    cost,
    doctor,
    explain,
    init,
    jobs,
    logs,
    metrics,
    open_console,
    plot,
    results,
    status,
    sweep,
    wait,
)

COMMANDS: Final[tuple[click.Command, ...]] = (
    cancel.cancel,
    completion.completion,
    cost.cost,
    doctor.doctor,
    explain.explain,
    init.init,
    jobs.jobs,
    logs.logs,
    metrics.metrics,
    open_console.open_console,
    plot.plot,
    results.results,
    status.status,
    sweep.sweep,
    wait.wait,
)
"""All commands, in any order: the help sorts them."""
