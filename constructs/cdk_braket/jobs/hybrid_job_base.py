"""The common interface of hybrid jobs, both deployed and imported."""

from abc import abstractmethod

from aws_cdk import Resource
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket.core import s3_location
from cdk_braket.monitoring.events import Events
from cdk_braket.monitoring.metrics import Alarms
from cdk_braket.permissions.grants import Grants


class HybridJobBase(Grants, Events, Alarms, Resource):
    """The methods of every hybrid job, whether this app deploys it or imports its attributes."""

    @property
    @abstractmethod
    def job_arn(self) -> str:
        """The job's ARN."""

    @property
    @abstractmethod
    def job_name(self) -> str:
        """The job's name."""

    @property
    @abstractmethod
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the job's results."""

    @property
    @abstractmethod
    def results_prefix(self) -> str:
        """The key prefix of the results of all the job's runs."""

    @property
    @abstractmethod
    def log_stream_prefix(self) -> str:
        """The prefix of the names of the job's log streams."""

    @abstractmethod
    def _results_location(self) -> s3_location.Location:
        """Return the location and the key of the results of all the job's runs."""

    def _template_digest(self) -> str:
        """Return a string that changes with the definition; constant where it is not known."""
        return ""

    def _replay_function(self) -> lambda_.IFunction | None:
        """Return the function that replays the job's state; None if there is none."""
        return None

    @property
    def console_url(self) -> str:
        """The job's page in the AWS console, a token.

        The console's URLs are not documented; this is the URL that a browser shows. *Unverified.*
        """
        return contract.console_url(self.env.region, self.job_arn)
