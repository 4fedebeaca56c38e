"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

from pathlib import Path
from random import Random

import pytest
from algorithm import energy, improve, read_terms
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from braket.devices import LocalSimulator
from job_stack import JobStack

TERMS = read_terms(Path(__file__).parents[1] / "data")
# The lowest eigenvalue of the Hamiltonian, in hartree.
EXACT = -1.145599


def test_the_script_finds_the_exact_energy() -> None:
    device, random = LocalSimulator(), Random(1)
    angles = [random.uniform(-3.14, 3.14) for _ in range(4)]
    for step in range(6):
        angles = improve(device, TERMS, angles, step % 4, shots=0)
    assert energy(device, TERMS, angles, shots=0) == pytest.approx(EXACT, abs=2e-3)


def test_the_stack_has_one_job_with_its_input() -> None:
    template = Template.from_stack(JobStack(App(), "Test", steps=5))
    template.has_resource_properties(
        "Custom::BraketHybridJob",
        {
            "Request": Match.object_like(
                {
                    "HyperParameters": {"shots": "0", "steps": "5", "seed": "7"},
                    "InputDataConfig": [Match.object_like({"ChannelName": "hamiltonian"})],
                }
            )
        },
    )
