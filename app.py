"""The CDK app: `cdk deploy`, or `cdk deploy -c iterations=40`."""

import sys

from aws_cdk import App

from cdk_braket import ValidationError
from stacks.hybrid_job_stack import HybridJobStack

STACK = "HybridJobStack"


def _number(app: App, name: str, default: int) -> int:
    """A whole number of the context, which the command line gives as text."""
    value = app.node.try_get_context(name)
    if value is None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        sys.exit(f"{name}={value}: must be a whole number. Use -c {name}={default}.")


def main() -> None:
    """Make the cloud assembly."""
    app = App()
    settings = {
        "shots": _number(app, "shots", 0),
        "iterations": _number(app, "iterations", 40),
        "seed": _number(app, "seed", 7),
    }
    try:
        HybridJobStack(app, STACK, **settings)
    except ValidationError as error:
        sys.exit(str(error))
    app.synth()


main()
