"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

from math import sqrt

import pytest
from algorithm import energy, read_terms
from aws_cdk import App
from aws_cdk.assertions import Template
from job_stack import COEFFICIENTS, JobStack, bond_lengths


@pytest.mark.parametrize("bond_length", [0.4, 0.7])
def test_no_angle_is_below_the_exact_energy(bond_length: float) -> None:
    terms = read_terms(COEFFICIENTS.parent, bond_length)
    exact = (
        terms["constant"]
        + terms["coupling"]
        - sqrt((2 * terms["field"]) ** 2 + terms["exchange"] ** 2)
    )
    energies = [energy(terms, 0.1 * step) for step in range(-4, 5)]
    assert min(energies) >= exact - 1e-9
    assert min(energies) == pytest.approx(exact, abs=5e-3)


def test_the_stack_has_a_sweep_with_a_point_for_each_row() -> None:
    assert len(bond_lengths()) == 23
    template = Template.from_stack(JobStack(App(), "Test"))
    template.resource_count_is("AWS::StepFunctions::StateMachine", 1)
    template.resource_count_is("Custom::BraketHybridJob", 0)
