"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

from algorithm import readout
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from braket.devices import LocalSimulator
from job_stack import JobStack


def test_without_errors_each_outcome_is_right() -> None:
    assert readout(LocalSimulator(), qubits=2, shots=20, error=0.0) == [1.0, 1.0]


def test_with_random_outcomes_half_of_them_are_right() -> None:
    [fidelity] = readout(LocalSimulator("braket_dm"), qubits=1, shots=400, error=0.5)
    assert 0.3 < fidelity < 0.7


def test_the_deployment_starts_no_job_and_the_schedule_does() -> None:
    template = Template.from_stack(JobStack(App(), "Test"))
    template.resource_count_is("Custom::BraketHybridJob", 0)
    template.has_resource_properties(
        "AWS::Scheduler::Schedule",
        Match.object_like({"ScheduleExpression": "cron(30 2 * * ? *)"}),
    )
