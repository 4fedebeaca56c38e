"""The service's operations."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cdk_braket._lambda.braket_jobs.api.service_rules import (
    REACHABLE_PREFIX,
    REACHABLE_TAG,
    problems_of_service,
    s3_uris,
)
from cdk_braket_local.braket import search, stand_in
from cdk_braket_local.braket.job import Job, Status
from cdk_braket_local.braket.job_quotas import JobQuotas
from cdk_braket_local.braket.objects import Place
from cdk_braket_local.braket.platform import AccessDeniedError, Caller, Platform
from cdk_braket_local.braket.protocol import BraketError, Request, Response, answer, checked, parse
from cdk_braket_local.braket.resources import ClientTokens, is_visible, queue_place, visible
from cdk_braket_local.braket.runner import Runner
from cdk_braket_local.braket.spending_limits import SpendingLimit
from cdk_braket_local.braket.task_operations import TaskOperations, check_not_retired
from cdk_braket_local.braket.tasks import Task
from cdk_braket_local.settings import Settings

CONCURRENT_JOBS = 3

_PASSED_TO = "braket.amazonaws.com"
_STATE_CHANGE = "Braket Job State Change"

_logger = logging.getLogger(__name__)

_Parameters = Mapping[str, object]
_Operation = Callable[[Caller, _Parameters], Mapping[str, object]]


class BraketService:
    """Amazon Braket's hybrid jobs, devices, quantum tasks and spending limits, on this machine.

    Args:
        platform: The local AWS that it is a part of.
        state_directory: The folder for the folders of jobs.
        concurrent_jobs: How many jobs run side by side; the rest queue. With quotas, it is the
            quota of concurrent jobs.
        settings: The user's settings.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        state_directory: Path,
        concurrent_jobs: int = CONCURRENT_JOBS,
        settings: Settings = Settings(),  # noqa: B008 - immutable
    ) -> None:
        self._platform = platform
        self._settings = settings
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._tokens = ClientTokens("ConflictException")
        self._quotas = JobQuotas(settings.quotas)
        if settings.quotas is not None:
            concurrent_jobs = settings.quotas.jobs
        self._runner = Runner(
            platform, state_directory / "jobs", concurrent_jobs, self._lock, self._changed
        )
        self._tasks = TaskOperations(
            platform,
            state_directory / "tasks",
            self._lock,
            self._job_of_token,
            self._jobs_queued,
            simulates_qpus=settings.simulates_qpus,
        )
        self._operations: Mapping[str, _Operation] = {
            "CreateJob": self._create_job,
            "GetJob": self._get_job,
            "CancelJob": self._cancel_job,
            "SearchJobs": self._search_jobs,
            "TagResource": self._tag_resource,
            "UntagResource": self._untag_resource,
            "ListTagsForResource": self._list_tags,
            **self._tasks.operations,
        }

    def handle(  # noqa: PLR0917 - the members of a request, in their usual order
        self,
        caller: Caller,
        method: str,
        path: str,
        query: Mapping[str, Sequence[str]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        """Answer one request.

        Args:
            caller: The sender of the request.
            method: The HTTP method.
            path: The path, percent-encoded or not.
            query: The query's values by name.
            headers: The headers; nothing of them is needed.
            body: The body.
        """
        del headers
        try:
            return self._answered(caller, parse(method, path, query, body))
        except BraketError as error:
            return error.response()
        except AccessDeniedError as error:
            return BraketError("AccessDeniedException", str(error)).response()
        except Exception as error:  # noqa: BLE001 - the caller gets a response for any error
            # Only what kind of error: its text and its trace may hold parts of the request.
            _logger.error("%s %s failed: %s", method, path, type(error).__name__)  # noqa: TRY400
            return BraketError("InternalServiceException", "internal error").response()

    def close(self) -> None:
        """End all jobs and quantum tasks."""
        self._runner.close()
        self._tasks.close()

    def _answered(self, caller: Caller, request: Request) -> Response:
        operation = self._operations.get(request.operation)
        if operation is None:
            raise BraketError(
                "ValidationException", f"the local AWS does not offer {request.operation}"
            )
        return answer(request.operation, operation(caller, checked(request).parameters))

    # --- The operations. ---

    def _create_job(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        with self._lock:
            self._quotas.count_call(caller)
        self._authorize_creation(caller, request)
        self._check_request(caller, request)
        with self._lock:
            if known := self._tokens.arn_of(caller, request):
                return {"jobArn": known}
            self._quotas.check(caller, request, self._jobs.values())
            job = Job.created(caller, request)
            self._jobs[job.arn] = job
            self._tokens.remember(caller, request, job.arn)
        self._changed(job)
        self._runner.submit(job)
        return {"jobArn": job.arn}

    def _check_request(self, caller: Caller, request: _Parameters) -> None:
        """Refuse values that AWS refuses beyond the model's constraints."""
        problems = problems_of_service(request, caller.region)
        # The bucket of an invalid URI is unknown.
        problems = problems or list(self._problems_of_buckets(caller, request))
        if problems:
            raise BraketError("ValidationException", "; ".join(problems))
        check_not_retired(_text(request, "deviceConfig", "device"))
        if not self._settings.accepts_stand_in and (reason := stand_in.refusal(request)):
            raise BraketError("ValidationException", reason)

    def _problems_of_buckets(self, caller: Caller, request: _Parameters) -> Iterator[str]:
        for bucket in sorted({Place.parse(uri).bucket for uri in s3_uris(request).values()}):
            if not self._is_reachable(caller, bucket):
                yield (
                    f"the bucket {bucket} does not begin with {REACHABLE_PREFIX}, and has no tag "
                    f"{'='.join(REACHABLE_TAG)}"
                )

    def _is_reachable(self, caller: Caller, bucket: str) -> bool:
        """Whether Braket reaches a bucket, whose access control MiniStack does not know."""
        key, value = REACHABLE_TAG
        return (
            bucket.startswith(REACHABLE_PREFIX)
            or self._platform.bucket_tags(caller, bucket).get(key) == value
        )

    def _authorize_creation(self, caller: Caller, request: _Parameters) -> None:
        prefix = f"arn:aws:braket:{caller.region}:{caller.account}"
        device = _text(request, "deviceConfig", "device")
        resources = [f"{prefix}:job/*"] + ([device] if device.startswith("arn:") else [])
        for resource in resources:
            self._platform.authorize(caller, "braket:CreateJob", resource, {})
        if request.get("tags"):
            self._platform.authorize(caller, "braket:TagResource", f"{prefix}:job/*", {})
        self._platform.authorize(
            caller, "iam:PassRole", str(request["roleArn"]), {"iam:PassedToService": _PASSED_TO}
        )

    def _get_job(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        job = self._job(caller, "braket:GetJob", request["jobArn"])
        with self._lock:
            description = job.description()
            if "QueueInfo" in _texts(request.get("additionalAttributeNames")):
                description["queueInfo"] = self._queue_info(job)
        return description

    def _queue_info(self, job: Job) -> Mapping[str, object]:
        place = queue_place("job", job.status.value, self._runner.position(job))
        return {"queue": "JOBS_QUEUE", **place}

    def _cancel_job(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        job = self._job(caller, "braket:CancelJob", request["jobArn"])
        if not self._runner.cancel(job):
            raise BraketError(
                "ConflictException", f"the job is {job.status.value}: it cannot be cancelled"
            )
        with self._lock:
            was_queued = job.status is Status.CANCELLED and job.started_at is None
        status = Status.CANCELLED if was_queued else Status.CANCELLING
        return {"jobArn": job.arn, "cancellationStatus": status.value}

    def _search_jobs(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        self._platform.authorize(caller, "braket:SearchJobs", "*", {})
        with self._lock:
            seen = [job for job in reversed(self._jobs.values()) if is_visible(job, caller)]
            matched = search.matching(
                request, seen, {"jobArn": lambda job: job.arn}, lambda job: job.created_at
            )
            found = [job.summary() for job in matched]
        jobs, token = search.page(request, "SearchJobsRequest", found, "jobArn")
        return {"jobs": jobs, "nextToken": token}

    def _tag_resource(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        resource = self._tagged(caller, "braket:TagResource", request["resourceArn"])
        tags = request["tags"]
        with self._lock:
            resource.tags.update(tags if isinstance(tags, Mapping) else {})
        return {}

    def _untag_resource(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        resource = self._tagged(caller, "braket:UntagResource", request["resourceArn"])
        with self._lock:
            for key in _texts(request["tagKeys"]):
                resource.tags.pop(key, None)
        return {}

    def _list_tags(self, caller: Caller, request: _Parameters) -> Mapping[str, object]:
        resource = self._tagged(caller, "braket:ListTagsForResource", request["resourceArn"])
        with self._lock:
            return {"tags": dict(resource.tags)}

    # --- What they share. ---

    def _tagged(self, caller: Caller, action: str, arn: object) -> Job | Task | SpendingLimit:
        """Return the job, the quantum task or the spending limit that has an ARN."""
        if self._tasks.known(str(arn)) is not None:
            return self._tasks.task(caller, action, arn)
        if self._tasks.limits.known(str(arn)) is not None:
            return self._tasks.limits.limit(caller, action, arn)
        return self._job(caller, action, arn)

    def _job(self, caller: Caller, action: str, arn: object) -> Job:
        self._platform.authorize(caller, action, str(arn), {})
        with self._lock:
            job = self._jobs.get(str(arn))
        return visible(job, caller, str(arn))

    def _job_of_token(self, caller: Caller, token: str) -> str | None:
        """Return the ARN of the running job that was given a token for its tasks."""
        arn = f"arn:aws:braket:{caller.region}:{caller.account}:job/{token}"
        with self._lock:
            job = self._jobs.get(arn)
            return arn if job is not None and not job.has_ended else None

    def _jobs_queued(self, device: str) -> int:
        with self._lock:
            jobs = self._jobs.values()
            return sum(job.status is Status.QUEUED and job.device == device for job in jobs)

    def _changed(self, job: Job) -> None:
        with self._lock:
            detail = {"jobArn": job.arn, "status": job.status.value}
        self._platform.put_event(job.caller, _STATE_CHANGE, detail, [job.arn])


def _text(request: _Parameters, *path: str) -> str:
    value: object = request
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else []
