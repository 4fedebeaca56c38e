"""Tests of the script and of the stack, without AWS and without a job: `python -m pytest`."""

from algorithm import correlation
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from braket.devices import LocalSimulator
from job_stack import QPU, JobStack

RESERVATION = f"arn:aws:braket:{QPU.region}:111122223333:reservation/r"


def test_a_simulator_without_noise_is_fully_correlated() -> None:
    assert correlation(LocalSimulator(), shots=50) == 1


def test_by_default_no_quantum_device_is_used() -> None:
    template = Template.from_stack(JobStack(App(), "Test"))
    template.resource_count_is("AWS::Braket::SpendingLimit", 0)
    template.has_resource_properties(
        "Custom::BraketHybridJob",
        {"Request": Match.object_like({"DeviceConfig": {"Device": "local:braket/default"}})},
    )


def test_on_the_device_the_job_has_a_limit_and_the_reservation() -> None:
    stack = JobStack(App(), "Test", on_qpu=True, reservation_arn=RESERVATION)
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::Braket::SpendingLimit", {"SpendingLimit": "25.00"})
    template.has_resource_properties(
        "Custom::BraketHybridJob",
        {
            "Request": Match.object_like(
                {
                    "DeviceConfig": {"Device": QPU.arn},
                    "Associations": [Match.object_like({"Arn": RESERVATION})],
                }
            )
        },
    )
