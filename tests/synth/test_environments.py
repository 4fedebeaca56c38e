"""What an environment is made of, what it is given, and what it keeps apart."""

import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import cast

from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    WaitForCompletion,
)
from tests.synth.support import LOCAL, Json, new_stack, template_of


def test_a_job_may_come_after_another_and_read_what_that_wrote() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for isolated in (False, True):
        prefix = "Isolated" if isolated else "Shared"
        first = HybridJob(
            stack,
            f"{prefix}First",
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            wait_for_completion=WaitForCompletion(),
        )
        second = HybridJob(
            stack,
            f"{prefix}Second",
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            input_data={"first": InputChannel.from_s3_uri(first.results_s3_uri)},
            isolated=isolated,
        )
        second.node.add_dependency(first)
    everything = cast("Mapping[str, Json]", template_of(stack)["Resources"])
    # A policy is named as its resource.
    needs = {
        name: (_named(resource) & set(everything)) - {name} for name, resource in everything.items()
    }
    # Raises an error where one comes after itself.
    order = list(TopologicalSorter(needs).static_order())
    assert len(order) == len(everything)


def _named(resource: object) -> set[str]:
    """All texts in a resource, and so the logical ids of what it comes after."""
    if isinstance(resource, Mapping):
        return set().union(*(_named(value) for value in resource.values()))
    if isinstance(resource, list):
        return set().union(*(_named(value) for value in resource))
    return {resource, *re.findall(r"\$\{(\w+)", resource)} if isinstance(resource, str) else set()
