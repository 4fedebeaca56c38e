"""How large is the template?"""

import json
from collections.abc import Callable, Sequence

from aws_cdk import Stack

from benchmarks import stacks
from benchmarks.figures import Figures

Declare = Callable[[Stack, int], None]
# With a policy for each job, the limit of 500 resources of a stack is reached earlier.
_MOST_JOBS = {"AwsCustomResource": 240}
_SIZES = (1, 100, 460)
_SMALL = (1, 10)


def measure(small: bool) -> Sequence[Figures]:
    """Return resources and bytes of a stack of jobs."""
    sizes = _SMALL if small else _SIZES
    resources: dict[str, dict[str, float]] = {}
    kilobytes: dict[str, dict[str, float]] = {}
    for name, declare in stacks.CONTENDERS.items():
        documents = {
            str(size): stacks.template(declare, size)
            for size in sizes
            if size <= _MOST_JOBS.get(name, size)
        }
        resources[name] = {size: len(each["Resources"]) for size, each in documents.items()}
        kilobytes[name] = {size: _kilobytes(each) for size, each in documents.items()}
    return [
        Figures("Resources of a stack", "resources", "jobs", resources, "1 for a further job"),
        Figures(
            "Size of a template, without white space",
            "kB",
            "jobs",
            kilobytes,
            "0.9 kB for a further job",
        ),
    ]


def _kilobytes(document: object) -> float:
    return round(len(json.dumps(document, separators=(",", ":")).encode()) / 1000, 1)
