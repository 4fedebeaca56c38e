"""AWS CDK constructs that deploy Amazon Braket hybrid jobs.

The public names are resolved on first use (PEP 562): importing the handler's code or the rules,
which live in this package too, starts neither jsii nor Node.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._job import IHybridJob
    from ._lambda.hybrid_job_handler.contract import OnDelete
    from ._preflight import PreflightCheck
    from .algorithm_script import AlgorithmScript, Compression
    from .checkpoint_source import CheckpointSource
    from .container_image import ContainerImage
    from .device import Device
    from .hybrid_job import HybridJob
    from .hybrid_job_dashboard import HybridJobDashboard
    from .hybrid_job_definition import HybridJobDefinition
    from .hybrid_job_environment import HybridJobEnvironment, IHybridJobEnvironment
    from .input_channel import InputChannel
    from .instance_type import InstanceType
    from .job_options import (
        Checkpoint,
        Distribution,
        InstanceConfig,
        OutputData,
        WaitForCompletion,
    )
    from .spending_limit import SpendingLimit
    from .validation_error import ValidationError

__all__ = [
    "AlgorithmScript",
    "Checkpoint",
    "CheckpointSource",
    "Compression",
    "ContainerImage",
    "Device",
    "Distribution",
    "HybridJob",
    "HybridJobDashboard",
    "HybridJobDefinition",
    "HybridJobEnvironment",
    "IHybridJob",
    "IHybridJobEnvironment",
    "InputChannel",
    "InstanceConfig",
    "InstanceType",
    "OnDelete",
    "OutputData",
    "PreflightCheck",
    "SpendingLimit",
    "ValidationError",
    "WaitForCompletion",
]

_HOMES: Final = {
    "AlgorithmScript": "algorithm_script",
    "Checkpoint": "job_options",
    "CheckpointSource": "checkpoint_source",
    "Compression": "algorithm_script",
    "ContainerImage": "container_image",
    "Device": "device",
    "Distribution": "job_options",
    "HybridJob": "hybrid_job",
    "HybridJobDashboard": "hybrid_job_dashboard",
    "HybridJobDefinition": "hybrid_job_definition",
    "HybridJobEnvironment": "hybrid_job_environment",
    "IHybridJob": "_job",
    "IHybridJobEnvironment": "hybrid_job_environment",
    "InputChannel": "input_channel",
    "InstanceConfig": "job_options",
    "InstanceType": "instance_type",
    "OnDelete": "_lambda.hybrid_job_handler.contract",
    "OutputData": "job_options",
    "PreflightCheck": "_preflight",
    "SpendingLimit": "spending_limit",
    "ValidationError": "validation_error",
    "WaitForCompletion": "job_options",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
