"""The request of the Braket SDK for arguments of `AwsQuantumJob.create`, without a job."""

from braket.aws import AwsQuantumJob

from tests.synth.support import ACCOUNT, REGION


class RecordingSession:
    """A session that keeps the request of CreateJob. Everything before that is the SDK's own."""

    region = REGION

    def __init__(self) -> None:
        self.request: dict[str, object] = {}

    def create_job(self, **request: object) -> str:
        """Keep the request."""
        self.request = request
        return f"arn:aws:braket:{REGION}:{ACCOUNT}:job/1"

    def get_device(self, arn: str) -> dict[str, str]:
        """Describe the device, of which only the existence is checked."""
        return {"deviceArn": arn}

    def get_job(self, _arn: str) -> dict[str, dict[str, str]]:
        """Describe the job that checkpoints are copied from."""
        return {"checkpointConfig": {"s3Uri": "s3://amazon-braket-mine/1/checkpoints"}}

    def default_bucket(self) -> str:
        """Return the default bucket."""
        return f"amazon-braket-{REGION}-{ACCOUNT}"

    def get_default_jobs_role(self) -> str:
        """Return the default role."""
        return f"arn:aws:iam::{ACCOUNT}:role/AmazonBraketJobsExecutionRole"

    def add_braket_user_agent(self, _agent: str) -> None:
        """Accept the SDK's user agent."""

    def upload_to_s3(self, _filename: str, _uri: str) -> None:
        """Accept a script."""

    def upload_local_data(self, _local_prefix: str, _s3_prefix: str) -> None:
        """Accept input data."""

    def copy_s3_object(self, _source: str, _destination: str) -> None:
        """Accept a script that is in S3 already."""

    def copy_s3_directory(self, _source: str, _destination: str) -> None:
        """Accept checkpoints."""


def request_of(**options: object) -> dict[str, object]:
    """Return the request that the SDK sends for these arguments."""
    session = RecordingSession()
    AwsQuantumJob.create(**{**options, "aws_session": session})
    return session.request
