"""Tests of the script and of both stacks, without AWS and without a job: `python -m pytest`."""

from algorithm import share_of_equal
from aws_cdk import App
from aws_cdk.assertions import Template
from job_stack import JobStack
from platform_stack import PARAMETER, PlatformStack


def test_all_qubits_are_equal() -> None:
    assert share_of_equal(3, shots=50) == 1


def test_the_platform_publishes_its_environment() -> None:
    template = Template.from_stack(PlatformStack(App(), "Platform"))
    template.has_resource_properties("AWS::SSM::Parameter", {"Name": PARAMETER})


def test_the_team_has_a_job_and_neither_bucket_nor_key() -> None:
    template = Template.from_stack(JobStack(App(), "Test"))
    template.resource_count_is("Custom::BraketHybridJob", 1)
    template.resource_count_is("AWS::S3::Bucket", 0)
    template.resource_count_is("AWS::KMS::Key", 0)
