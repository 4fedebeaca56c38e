"""The plan of a job's container: the job, its folders, its credentials."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdk_braket_local.braket.platform import Credentials

LOG_GROUP = "/aws/braket/jobs"
RESULTS_KEY = "output/model.tar.gz"


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

    @property
    def code(self) -> Path:
        """Where the script is unpacked; also the script's working directory."""
        return self.workspace / "code"

    @property
    def inputs(self) -> Path:
        """Where the input channels are, each in a folder of its name."""
        return self.workspace / "input" / "data"

    @property
    def results(self) -> Path:
        """Where the script leaves its results."""
        return self.workspace / "model"

    @property
    def checkpoints(self) -> Path:
        """The folder that is synchronized with S3 while the job runs."""
        return self.workspace / "checkpoints"

    @property
    def hyperparameter_file(self) -> Path:
        """The hyperparameters as JSON."""
        return self.workspace / "hyperparameters.json"

    @property
    def failure_file(self) -> Path:
        """The file in which the script's process reports why it failed."""
        return self.workspace / "failure"
