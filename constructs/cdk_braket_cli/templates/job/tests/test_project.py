"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

from math import cos, pi

import pytest
from algorithm import measure
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from job_stack import JobStack


@pytest.mark.parametrize("angle", [0, pi / 3, pi])
def test_the_script_measures_the_cosine(angle: float) -> None:
    assert measure(angle, shots=0) == pytest.approx(cos(angle), abs=1e-9)


def test_the_stack_has_one_job_with_its_limit() -> None:
    template = Template.from_stack(JobStack(App(), "Test", steps=5))
    template.has_resource_properties(
        "Custom::BraketHybridJob",
        {
            "Request": Match.object_like(
                {
                    "HyperParameters": {"steps": "5", "shots": "0"},
                    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
                }
            )
        },
    )
