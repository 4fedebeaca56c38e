"""What a hybrid job is to others, whoever deploys it."""

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
    """What every hybrid job can do, whether this app deploys it or knows it by its attributes."""

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
        """What the keys of the results of all the job's runs begin with."""

    @property
    @abstractmethod
    def log_stream_prefix(self) -> str:
        """What the names of the job's log streams begin with."""

    @abstractmethod
    def _results_location(self) -> s3_location.Location:
        """Where the results of all the job's runs are, and with which key."""

    def _template_digest(self) -> str:
        """Text that changes with what the job is to be; always the same where that is not known."""
        return ""

    def _replay_function(self) -> lambda_.IFunction | None:
        """What tells a rule of the job's state; None when nothing does."""
        return None

    @property
    def console_url(self) -> str:
        """The job's page in the AWS console, a token.

        The console's addresses are not documented; this one is as a browser shows it. *Unverified.*
        """
        return contract.console_url(self.env.region, self.job_arn)
