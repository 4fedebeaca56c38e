"""The plan of a job's container: the job, its folders, its credentials."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from cdk_braket_local.braket.platform import Credentials

LOG_GROUP = "/aws/braket/jobs"
RESULTS_KEY = "output/model.tar.gz"

OPT: Final = PurePosixPath("/opt")
"""The folder that holds all folders of a job on AWS."""

# Source: CheckpointConfig in https://docs.aws.amazon.com/braket/latest/APIReference/
_CHECKPOINTS: Final = "/opt/braket/checkpoints"
# The folders of SageMaker, which the container uses itself.
_TAKEN: Final = frozenset({"code", "input", "model", "output"})


@dataclass(frozen=True, slots=True)
class Plan:
    """One job, as its container gets to know it.

    Attributes:
        job_name: The job's name.
        job_id: The last part of the job's ARN.
        request: The CreateJob request.
        workspace: The folder that all of the job's folders lie in.
        endpoint_url: The local AWS.
        region: The job's region.
        credentials: The execution role's.
        environments: The folder of shared environments.
        uv_variables: The variables for uv and pip, which install packages; not for the script.
    """

    job_name: str
    job_id: str
    request: Mapping[str, object] = field(repr=False)
    workspace: Path
    endpoint_url: str
    region: str
    credentials: Credentials
    environments: Path
    uv_variables: Mapping[str, str] = field(repr=False)

    def to_json(self) -> str:
        """Return the plan as one line of JSON. It holds credentials."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read the text that `to_json` wrote."""
        raw = json.loads(text)
        raw["workspace"] = Path(raw["workspace"])
        raw["environments"] = Path(raw["environments"])
        raw["credentials"] = Credentials(**raw["credentials"])
        return cls(**raw)

    def text(self, *path: str) -> str | None:
        """Return a string of the request, or None if it has none."""
        value: object = self.request
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else None

    @property
    def hyperparameters(self) -> Mapping[str, str]:
        """The job's hyperparameters."""
        value = self.request.get("hyperParameters")
        return value if isinstance(value, Mapping) else {}

    @property
    def channels(self) -> Mapping[str, str]:
        """The S3 URIs of the input channels, by name."""
        channels = self.request.get("inputDataConfig")
        return {
            channel["channelName"]: channel["dataSource"]["s3DataSource"]["s3Uri"]
            for channel in (channels if isinstance(channels, list) else [])
        }

    # --- The folders, which are those of the container on AWS. ---
    #
    # Source: https://docs.aws.amazon.com/sagemaker/latest/dg/amazon-sagemaker-toolkits.html and
    # `src/braket_container.py` of https://github.com/amazon-braket/amazon-braket-containers, which
    # links /opt/braket to /opt/ml.

    @property
    def opt(self) -> Path:
        """The folder that the job sees as /opt, if this machine allows it."""
        return self.workspace / "opt"

    @property
    def ml(self) -> Path:
        """The folder of SageMaker, /opt/ml on AWS."""
        return self.opt / "ml"

    @property
    def braket(self) -> Path:
        """The link to `ml`, /opt/braket on AWS."""
        return self.opt / "braket"

    @property
    def container_code(self) -> Path:
        """The folder of the container's own code, in which the script is imported."""
        return self.ml / "code"

    @property
    def original(self) -> Path:
        """The folder of the script as it is in S3."""
        return self.container_code / "customer_code" / "original"

    @property
    def code(self) -> Path:
        """The folder of the unpacked script, in which its entry point runs."""
        return self.container_code / "customer_code" / "extracted"

    @property
    def configuration(self) -> Path:
        """The folder of the files with the job's hyperparameters, channels and hosts."""
        return self.ml / "input" / "config"

    @property
    def inputs(self) -> Path:
        """The folder of the input channels, each in a folder of its name."""
        return self.ml / "input" / "data"

    @property
    def results(self) -> Path:
        """The folder in which the script leaves its results."""
        return self.ml / "model"

    @property
    def local_path(self) -> PurePosixPath:
        """The path of the checkpoints on AWS."""
        return PurePosixPath(self.text("checkpointConfig", "localPath") or _CHECKPOINTS)

    @property
    def has_local_path(self) -> bool:
        """Whether the job can have its checkpoints at the path that they have on AWS."""
        path = self.local_path
        if not path.is_relative_to(OPT) or path == OPT or ".." in path.parts:
            return False
        first, *rest = path.relative_to(OPT).parts
        return first not in {"ml", "braket"} or (bool(rest) and rest[0] not in _TAKEN)

    @property
    def checkpoint_directory(self) -> Path:
        """The folder of checkpoints, by the path that the script gets."""
        if not self.has_local_path:
            return self.workspace / "checkpoints"
        return self.opt / self.local_path.relative_to(OPT)

    @property
    def checkpoints(self) -> Path:
        """The folder that is synchronized with S3 while the job runs."""
        directory = self.checkpoint_directory
        if directory.is_relative_to(self.braket):
            return self.ml / directory.relative_to(self.braket)
        return directory

    @property
    def hyperparameter_file(self) -> Path:
        """The hyperparameters as JSON."""
        return self.configuration / "hyperparameters.json"

    @property
    def failure_file(self) -> Path:
        """The file in which the script's process reports why it failed."""
        return self.ml / "output" / "failure"
