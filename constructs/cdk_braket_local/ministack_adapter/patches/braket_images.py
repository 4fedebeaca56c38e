"""Amazon Braket's registry of container images, as far as BatchGetImage reads it.

The Braket SDK looks the tag of a job's image up there. MiniStack has the registry of the caller's
account only. There are no images to pull. The SDK's local mode requests a token to pull one with
Docker, and gets the reason. A token of MiniStack would be sent to the registry on AWS.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ministack import app
from ministack.core import responses

from cdk_braket_local.braket import images

_GET_IMAGE: Final = ".BatchGetImage"
_LOG_IN: Final = ".GetAuthorizationToken"
_MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"

_Query = Mapping[str, Any]
_Answer = tuple[int, Mapping[str, str], bytes]


def install() -> None:
    """Have MiniStack's ECR know the images of Amazon Braket, in the regions with hybrid jobs."""
    handle = app.SERVICE_HANDLERS["ecr"]

    async def handle_with_registry(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: _Query
    ) -> object:
        operation, given = _request(headers, body)
        if operation.endswith(_LOG_IN) and images.REGISTRY in _texts(given.get("registryIds")):
            return _no_token()
        is_known = responses.get_region() in images.REGIONS
        if operation.endswith(_GET_IMAGE) and is_known and _is_of_braket(given):
            return _answer(given)
        return await handle(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["ecr"] = handle_with_registry


def _request(headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, Any]]:
    """Return the operation of a request, and its parameters; none if they cannot be read."""
    target = next((text for name, text in headers.items() if name.lower() == "x-amz-target"), "")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    return target, given if isinstance(given, dict) else {}


def _is_of_braket(given: Mapping[str, Any]) -> bool:
    return bool(given.get("registryId") == images.REGISTRY)


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _no_token() -> _Answer:
    answer: _Answer = responses.error_response_json(
        "AccessDeniedException",
        "the local AWS has no container images: local jobs of the Braket SDK (LocalQuantumJob, "
        "local=True) need Docker and an image on this machine. Pull the image from AWS before, "
        "create an AwsQuantumJob, or use cdk-braket-local run-job",
        400,
    )
    return answer


def _answer(given: Mapping[str, Any]) -> _Answer:
    repository = str(given.get("repositoryName"))
    if repository not in {image.repository for image in images.IMAGES}:
        answer: _Answer = responses.error_response_json(
            "RepositoryNotFoundException",
            f"The repository with name '{repository}' does not exist in the registry with id "
            f"'{images.REGISTRY}'",
            400,
        )
        return answer
    ids = [each for each in given.get("imageIds") or [] if isinstance(each, dict)]
    content = {
        "images": [image for each in ids for image in _images(repository, each)],
        "failures": [_failure(each) for each in ids if not list(_images(repository, each))],
    }
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()


def _images(repository: str, given: Mapping[str, Any]) -> Iterator[Mapping[str, object]]:
    for image, tag in images.found(repository, given.get("imageTag"), given.get("imageDigest")):
        yield {
            "registryId": images.REGISTRY,
            "repositoryName": repository,
            "imageId": {"imageDigest": image.digest, "imageTag": tag},
            "imageManifest": "{}",
            "imageManifestMediaType": _MANIFEST_TYPE,
        }


def _failure(given: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "imageId": given,
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }
