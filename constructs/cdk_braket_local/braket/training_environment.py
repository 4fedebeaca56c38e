"""The files, variables and arguments of a job that SageMaker's training toolkit provides.

That toolkit starts the container of a hybrid job. So scripts can read its variables, such as
SM_CHANNELS, and parse hyperparameters from the command line. Source of names and forms:
`src/sagemaker_training/environment.py` and `mapping.py` of
https://github.com/aws/sagemaker-training-toolkit.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cdk_braket_local.braket.plan import OPT, Plan

PROGRAM: Final = "braket_container.py"
"""The program of the container, which runs the script."""

_HOST: Final = "algo-1"
_GROUP: Final = "homogeneousCluster"
_LONGEST_VARIABLE: Final = 128 * 1024
# Hyperparameters for the toolkit itself.
_OWN_PREFIX: Final = "sagemaker_"


@dataclass(frozen=True, slots=True)
class TrainingEnvironment:
    """The environment of a job as the toolkit describes it.

    Attributes:
        plan: The job.
    """

    plan: Plan

    @property
    def files(self) -> Mapping[str, object]:
        """The content of the files in the configuration folder, by name."""
        return {
            "hyperparameters.json": dict(self.plan.hyperparameters),
            "inputdataconfig.json": self._channels,
            "resourceconfig.json": self._resources,
        }

    @property
    def arguments(self) -> Sequence[str]:
        """The arguments of the program: each hyperparameter as an option, by name."""
        found: list[str] = []
        for name, value in sorted(self._hyperparameters.items()):
            found += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return found

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables SM_*."""
        description = self._description
        values: dict[str, object] = {
            **{name: description[name] for name in _COPIED},
            "hps": description["hyperparameters"],
            "framework_params": description["additional_framework_parameters"],
            "channels": sorted(self.plan.channels),
            "training_env": description,
            "user_args": self.arguments,
        }
        for name in self.plan.channels:
            values[f"channel_{name}"] = str(self.plan.inputs / name)
        for name, value in self._hyperparameters.items():
            values[f"hp_{name}"] = value
        variables = {f"SM_{name.upper()}": _text(value) for name, value in values.items()}
        return {name: text for name, text in variables.items() if _fits(name, text)}

    def shown(self) -> str:
        """Return the description for the log, without the values of hyperparameters."""
        names = dict.fromkeys(self._hyperparameters, "…")
        shown = {**self._description, "hyperparameters": names}
        text = json.dumps(shown, sort_keys=True, ensure_ascii=False)
        return text.replace(str(self.plan.opt), str(OPT))

    def shown_command(self) -> str:
        """Return the command for the log, without the values of hyperparameters."""
        options = (f"{name} …" for name in self.arguments[::2])
        return " ".join(["python", PROGRAM, *options])

    @property
    def _hyperparameters(self) -> Mapping[str, object]:
        """The script's hyperparameters, each as a JSON value if it is one, or as a string."""
        return {
            name: _decoded(text)
            for name, text in self.plan.hyperparameters.items()
            if not name.startswith(_OWN_PREFIX)
        }

    @property
    def _channels(self) -> Mapping[str, object]:
        each = {
            "RecordWrapperType": "None",
            "S3DistributionType": "FullyReplicated",
            "TrainingInputMode": "File",
        }
        return dict.fromkeys(self.plan.channels, each)

    @property
    def _instance_type(self) -> str | None:
        return self.plan.text("instanceConfig", "instanceType")

    @property
    def _group(self) -> Mapping[str, object]:
        return {
            "hosts": [_HOST],
            "instance_group_name": _GROUP,
            "instance_type": self._instance_type,
        }

    @property
    def _resources(self) -> Mapping[str, object]:
        return {
            "current_group_name": _GROUP,
            "current_host": _HOST,
            "current_instance_type": self._instance_type,
            "hosts": [_HOST],
            "instance_groups": [self._group],
            "network_interface_name": "eth0",
        }

    @property
    def _description(self) -> dict[str, object]:
        plan = self.plan
        return {
            "additional_framework_parameters": {
                name: _decoded(text)
                for name, text in plan.hyperparameters.items()
                if name.startswith(_OWN_PREFIX)
            },
            "channel_input_dirs": {name: str(plan.inputs / name) for name in plan.channels},
            "current_host": _HOST,
            "current_instance_group": _GROUP,
            "current_instance_group_hosts": [_HOST],
            "current_instance_type": self._instance_type,
            "distribution_hosts": [],
            "distribution_instance_groups": [],
            "framework_module": None,
            "hosts": [_HOST],
            "hyperparameters": dict(self._hyperparameters),
            "input_config_dir": str(plan.configuration),
            "input_data_config": self._channels,
            "input_dir": str(plan.ml / "input"),
            "instance_groups": [_GROUP],
            "instance_groups_dict": {_GROUP: self._group},
            "is_hetero": False,
            "is_master": True,
            "is_modelparallel_enabled": None,
            "job_name": plan.job_name,
            "log_level": logging.INFO,
            "master_hostname": _HOST,
            "model_dir": str(plan.results),
            "module_dir": str(plan.container_code),
            "module_name": PROGRAM.removesuffix(".py"),
            "network_interface_name": "eth0",
            "num_cpus": len(os.sched_getaffinity(0)),
            "num_gpus": 0,
            "output_data_dir": str(plan.ml / "output" / "data"),
            "output_dir": str(plan.ml / "output"),
            "output_intermediate_dir": str(plan.ml / "output" / "intermediate"),
            "resource_config": self._resources,
            "user_entry_point": PROGRAM,
        }


_COPIED: Final = (
    "current_host",
    "current_instance_group",
    "current_instance_group_hosts",
    "current_instance_type",
    "distribution_instance_groups",
    "framework_module",
    "hosts",
    "input_config_dir",
    "input_data_config",
    "input_dir",
    "instance_groups",
    "instance_groups_dict",
    "is_hetero",
    "log_level",
    "model_dir",
    "module_dir",
    "module_name",
    "network_interface_name",
    "num_cpus",
    "num_gpus",
    "output_data_dir",
    "output_dir",
    "output_intermediate_dir",
    "resource_config",
    "user_entry_point",
)


def _fits(name: str, text: str) -> bool:
    """Whether a process can have a variable. Source of the length: the manual page of `execve`."""
    entry = f"{name}={text}"
    return "=" not in name and "\0" not in entry and len(os.fsencode(entry)) < _LONGEST_VARIABLE


def _decoded(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _argument(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={part}" for name, part in sorted(value.items()))
    return "" if value is None else str(value)


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    # Paths in it are replaced as text.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
