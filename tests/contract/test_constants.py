"""The constants of the constructs, against their sources."""

import json
from importlib.resources import files

from braket.devices import Devices

from cdk_braket import Compression, Device, Distribution, InstanceType, JobStatus
from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket.request.container_image import REGIONS, REGISTRY

_COMPRESSION = ("CreateJobRequest", "algorithmSpecification", "scriptModeConfig", "compressionType")


def _constants(owner: type[Device] | type[InstanceType]) -> dict[str, object]:
    return {name: value for name, value in vars(owner).items() if name.isupper()}


def test_there_is_a_constant_for_each_instance_type_of_the_model_and_no_other() -> None:
    of_the_model = {
        value.removeprefix("ml.").replace(".", "_").upper(): InstanceType.of(value)
        for value in model_rules.enum_values("InstanceType")
    }
    assert _constants(InstanceType) == of_the_model


def test_the_statuses_of_a_job_are_those_of_the_model() -> None:
    assert set(JobStatus) == set(model_rules.enum_values("JobPrimaryStatus"))


def test_there_is_a_constant_for_each_device_that_the_sdk_lists_and_has_not_retired() -> None:
    of_the_sdk = {
        "_".join(str(device.value).split("/")[-2:]).replace("-", "_").upper(): Device(device.value)
        for provider in vars(Devices).values()
        if hasattr(provider, "__members__")
        for device in provider
        if not device.name.startswith("_")
    }
    assert _constants(Device) == of_the_sdk


def test_the_images_are_those_of_the_sdk() -> None:
    for name in ("base", "pl_pytorch", "pl_tensorflow", "cudaq"):
        path = files("braket.jobs") / "image_uri_config" / f"{name}.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        assert config["registry"] == REGISTRY
        assert tuple(config["supported_regions"]) == REGIONS
        short = name.removeprefix("pl_")
        assert config["repository"] == f"amazon-braket-{short}-jobs"


def test_compressions_are_those_of_the_model() -> None:
    assert tuple(Compression) == model_rules.enum_values(model_rules.shape_of(*_COMPRESSION))


def test_data_parallel_is_spelt_as_the_sdk_does() -> None:
    source = (files("braket.jobs") / "quantum_job_creation.py").read_text(encoding="utf-8")
    assert f'distribution == "{Distribution.DATA_PARALLEL}"' in source
    for owned in ("sagemaker_distributed_dataparallel_enabled", "sagemaker_instance_type"):
        assert f'"{owned}"' in source
