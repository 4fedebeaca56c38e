"""A hybrid job that this app does not deploy."""

from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, TypeVar

from aws_cdk import Arn, ArnFormat, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket.core import s3_location
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.placement import misplaced
from cdk_braket.core.tokens import is_unknown, settled
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.interfaces import IHybridJob

from .hybrid_job_base import HybridJobBase

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridJobAttributes:
    """The known attributes of a job; see `HybridJob.from_hybrid_job_attributes`."""

    job_arn: str
    job_name: str | None = None
    results_s3_uri: str | None = None
    checkpoint_s3_uri: str | None = None
    log_stream_prefix: str | None = None
    encryption_key: kms.IKey | None = None


_TEXTS: Final = (
    "job_arn",
    "job_name",
    "results_s3_uri",
    "checkpoint_s3_uri",
    "log_stream_prefix",
)


def imported(scope: Construct, id: str, attributes: HybridJobAttributes) -> IHybridJob:
    """Import a job by its attributes.

    Raises:
        ValidationError: An attribute does not have the expected format.
    """
    problems = [
        Issue("job_arn", problem.message, "Use a job's ARN", shorten(attributes.job_arn))
        for problem in model_rules.check("JobArn", attributes.job_arn, skip=is_unknown)
    ]
    for name in ("results_s3_uri", "checkpoint_s3_uri"):
        uri = getattr(attributes, name)
        if uri is not None and not is_unknown(uri) and not _names_bucket(s3_location.at_uri(uri)):
            problems.append(Issue(name, "expected s3://bucket/prefix", shown=shorten(uri)))
    problems += misplaced("encryption_key", attributes.encryption_key, scope, in_region=False)
    if problems:
        raise ValidationError(f"{scope.node.path}/{id}".lstrip("/"), problems)
    known = {name: getattr(attributes, name) for name in _TEXTS}
    texts: dict[str, Any] = {name: value and settled(value) for name, value in known.items()}
    return _ImportedHybridJob(scope, id, replace(attributes, **texts))


def _names_bucket(location: s3_location.Location) -> bool:
    return bool(location.bucket_name) and not location.has_impossible_bucket


class _ImportedHybridJob(HybridJobBase):
    def __init__(self, scope: Construct, id: str, attributes: HybridJobAttributes) -> None:
        super().__init__(scope, id, environment_from_arn=attributes.job_arn)
        self._attributes = attributes
        self._buckets: dict[str, s3.IBucket] = {}

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        issue = Issue(
            "apply_removal_policy",
            "this app does not deploy the job",
            "Use it where the job is declared",
            f"RemovalPolicy.{policy.name}",
        )
        raise ValidationError(self.node.path, [issue])

    @property
    def job_arn(self) -> str:
        return self._attributes.job_arn

    @property
    def job_id(self) -> str:
        parts = Arn.split(self.job_arn, ArnFormat.SLASH_RESOURCE_NAME)
        return parts.resource_name or ""

    @property
    def job_name(self) -> str:
        return self._known("job_name", self._attributes.job_name)

    @property
    def results_s3_uri(self) -> str:
        return self._known("results_s3_uri", self._attributes.results_s3_uri)

    @property
    def results_bucket(self) -> s3.IBucket:
        return self._bucket("ResultsBucket", self.results_s3_uri)

    @property
    def results_prefix(self) -> str:
        return self._prefix("results_prefix", self.results_s3_uri)

    @property
    def checkpoint_s3_uri(self) -> str:
        return self._known("checkpoint_s3_uri", self._attributes.checkpoint_s3_uri)

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        return self._bucket("CheckpointBucket", self.checkpoint_s3_uri)

    @property
    def checkpoint_prefix(self) -> str:
        return self._prefix("checkpoint_prefix", self.checkpoint_s3_uri)

    @property
    def log_group_name(self) -> str:
        return JOB_LOG_GROUP

    @property
    def log_stream_prefix(self) -> str:
        return self._known("log_stream_prefix", self._attributes.log_stream_prefix)

    def _bucket(self, id: str, uri: str) -> s3.IBucket:
        if id not in self._buckets:
            self._buckets[id] = s3.Bucket.from_bucket_attributes(
                self,
                id,
                bucket_name=s3_location.at_uri(uri).bucket_name,
                encryption_key=self._attributes.encryption_key,
            )
        return self._buckets[id]

    def _results_location(self) -> s3_location.Location:
        return self._location(self.results_s3_uri)

    def _location(self, uri: str) -> s3_location.Location:
        return s3_location.at_uri(uri, self._attributes.encryption_key)

    def _prefix(self, name: str, uri: str) -> str:
        if is_unknown(uri):
            rule = "cannot be derived from a token. Grants work without it"
            raise ValidationError(self.node.path, [Issue(name, rule)])
        return s3_location.at_uri(uri).key_prefix

    def _known(self, name: str, value: _T | None) -> _T:
        if value is None:
            self._refuse(name)
        return value

    def _refuse(self, name: str) -> NoReturn:
        fix = (
            f"Use HybridJob.from_hybrid_job_attributes(…, {name}=…), or pass it from where the job "
            "is declared"
        )
        issue = Issue(name, "cannot be derived from a job's ARN", fix)
        raise ValidationError(self.node.path, [issue])
