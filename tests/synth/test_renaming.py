"""A construct that is renamed keeps its job, if its logical id and its job's name are kept."""

from pathlib import Path
from typing import cast

from aws_cdk import CfnResource, Stack

from cdk_braket import Device, HybridJob, HybridJobEnvironment
from tests.synth import support

TYPE = "Custom::BraketHybridJob"


def _deployed(folder: Path, id: str, *, logical_id: str = "", job_name: str = "vqe") -> Stack:
    stack = support.new_stack()
    job = HybridJob(
        stack,
        id,
        device=Device.local("braket/default"),
        algorithm=support.script(folder),
        environment=HybridJobEnvironment(stack, "Environment"),
        job_name=job_name,
    )
    if logical_id:
        cast("CfnResource", job.node.default_child).override_logical_id(logical_id)
    return stack


def _resource(stack: Stack) -> tuple[str, object]:
    [(logical_id, resource)] = support.resources(stack, TYPE).items()
    return logical_id, resource["Properties"]


def test_with_its_logical_id_and_job_name_it_is_the_same_resource(tmp_path: Path) -> None:
    before = _resource(_deployed(tmp_path, "Old"))
    assert _resource(_deployed(tmp_path, "New", logical_id=before[0])) == before


def test_without_its_logical_id_it_is_another_resource(tmp_path: Path) -> None:
    before, _ = _resource(_deployed(tmp_path, "Old"))
    after, _ = _resource(_deployed(tmp_path, "New"))
    assert after != before
