"""AWS CDK constructs that deploy Amazon Braket hybrid jobs.

The public names are resolved on first use (PEP 562). This package also holds the handler's code and
the rules, and importing these starts neither jsii nor Node.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._lambda.braket_jobs.contract import OnDelete
    from .core.plain import Hyperparameter
    from .core.validation_error import ValidationError
    from .environment.hybrid_job_environment import HybridJobEnvironment
    from .interfaces import IHybridJob, IHybridJobEnvironment
    from .jobs.dashboard import HybridJobDashboard
    from .jobs.hybrid_job import HybridJob, HybridJobDefinition
    from .jobs.sweep import HybridJobSweep
    from .request.algorithm_script import AlgorithmScript, Compression
    from .request.checkpoint_source import CheckpointSource
    from .request.container_image import ContainerImage
    from .request.device import Device
    from .request.input_channel import InputChannel
    from .request.instance_type import InstanceType
    from .request.job_options import (
        Checkpoint,
        Distribution,
        InstanceConfig,
        OutputData,
        WaitForCompletion,
    )
    from .request.job_status import JobStatus
    from .request.spending_limit import SpendingLimit
    from .request.sweep_points import Grid, SweepPoints
    from .validation.preflight import PreflightCheck

__all__ = [
    "AlgorithmScript",
    "Checkpoint",
    "CheckpointSource",
    "Compression",
    "ContainerImage",
    "Device",
    "Distribution",
    "Grid",
    "HybridJob",
    "HybridJobDashboard",
    "HybridJobDefinition",
    "HybridJobEnvironment",
    "HybridJobSweep",
    "Hyperparameter",
    "IHybridJob",
    "IHybridJobEnvironment",
    "InputChannel",
    "InstanceConfig",
    "InstanceType",
    "JobStatus",
    "OnDelete",
    "OutputData",
    "PreflightCheck",
    "SpendingLimit",
    "SweepPoints",
    "ValidationError",
    "WaitForCompletion",
]

_HOMES: Final = {
    "AlgorithmScript": "request.algorithm_script",
    "Checkpoint": "request.job_options",
    "CheckpointSource": "request.checkpoint_source",
    "Compression": "request.algorithm_script",
    "ContainerImage": "request.container_image",
    "Device": "request.device",
    "Distribution": "request.job_options",
    "Grid": "request.sweep_points",
    "HybridJob": "jobs.hybrid_job",
    "HybridJobDashboard": "jobs.dashboard",
    "HybridJobDefinition": "jobs.hybrid_job",
    "HybridJobEnvironment": "environment.hybrid_job_environment",
    "HybridJobSweep": "jobs.sweep",
    "Hyperparameter": "core.plain",
    "IHybridJob": "interfaces",
    "IHybridJobEnvironment": "interfaces",
    "InputChannel": "request.input_channel",
    "InstanceConfig": "request.job_options",
    "InstanceType": "request.instance_type",
    "JobStatus": "request.job_status",
    "OnDelete": "_lambda.braket_jobs.contract",
    "OutputData": "request.job_options",
    "PreflightCheck": "validation.preflight",
    "SpendingLimit": "request.spending_limit",
    "SweepPoints": "request.sweep_points",
    "ValidationError": "core.validation_error",
    "WaitForCompletion": "request.job_options",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if name == "__version__":
        return metadata.version("cdk-braket")
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
