"""The clients of AWS services, one of each service and region."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

# GetJob accepts 5 calls a second in a whole account.
_CONFIG: Final = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 8}
)


class Clients:
    """The clients of one region.

    Args:
        session: The credentials. botocore reads `AWS_ENDPOINT_URL`, which leads to a local AWS.
        region: The region. Default: the session's.

    Raises:
        botocore.exceptions.NoRegionError: A client is used, and neither names a region.
    """

    def __init__(self, session: boto3.Session, region: str | None = None) -> None:
        self.session = session
        self.region = region or session.region_name
        self._regions: dict[str, Clients] = {}

    def in_region(self, region: str) -> "Clients":
        """Return the clients of another region with the same credentials."""
        if region == self.region:
            return self
        return self._regions.setdefault(region, Clients(self.session, region))

    @cached_property
    def braket(self) -> "BraketClient":
        """Amazon Braket."""
        return self.session.client("braket", region_name=self.region, config=_CONFIG)

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """AWS CloudFormation."""
        return self.session.client("cloudformation", region_name=self.region, config=_CONFIG)

    @cached_property
    def iam(self) -> "IAMClient":
        """AWS IAM."""
        return self.session.client("iam", region_name=self.region, config=_CONFIG)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """Amazon CloudWatch Logs."""
        return self.session.client("logs", region_name=self.region, config=_CONFIG)

    @cached_property
    def s3(self) -> "S3Client":
        """Amazon S3."""
        return self.session.client("s3", region_name=self.region, config=_CONFIG)

    @cached_property
    def sts(self) -> "STSClient":
        """AWS STS."""
        return self.session.client("sts", region_name=self.region, config=_CONFIG)

    def other(self, service: str) -> Any:  # noqa: ANN401 - the stubs of this service are not installed
        """Return the client of any other service."""
        client: Any = self.session.client
        return client(service, region_name=self.region, config=_CONFIG)
