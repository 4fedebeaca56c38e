"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

import pytest
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from job_stack import JobStack


def test_a_square_can_be_cut_at_each_edge() -> None:
    """Runs if you install the script's packages, which the job has in its container."""
    networkx = pytest.importorskip("networkx")
    pytest.importorskip("pennylane")
    from algorithm.maxcut import cut

    assert cut(networkx.cycle_graph(4), "0101") == 4


def test_the_stack_has_one_job_in_an_image_with_pennylane() -> None:
    template = Template.from_stack(JobStack(App(), "Test", steps=5))
    template.has_resource_properties(
        "Custom::BraketHybridJob",
        {
            "Request": Match.object_like(
                {"HyperParameters": {"nodes": "6", "layers": "2", "steps": "5", "seed": "7"}}
            )
        },
    )
