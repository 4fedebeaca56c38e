"""Amazon Braket's registry of container images, as far as BatchGetImage reads it.

The Braket SDK looks the tag of a job's image up there. MiniStack has the registry of the caller's
account only.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ministack import app
from ministack.core import responses

from cdk_braket_local.braket import images

_OPERATION: Final = ".BatchGetImage"
_MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"

_Query = Mapping[str, Any]
_Answer = tuple[int, Mapping[str, str], bytes]


def install() -> None:
    """Have MiniStack's ECR know the images of Amazon Braket, in the regions with hybrid jobs."""
    handle = app.SERVICE_HANDLERS["ecr"]

    async def handle_with_registry(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: _Query
    ) -> object:
        given = _request(headers, body)
        if given is None or responses.get_region() not in images.REGIONS:
            return await handle(method, path, headers, body, query_params)
        return _answer(given)

    app.SERVICE_HANDLERS["ecr"] = handle_with_registry


def _request(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any] | None:
    """Return a BatchGetImage request for Amazon Braket's registry, or None for other requests."""
    target = next((text for name, text in headers.items() if name.lower() == "x-amz-target"), "")
    if not target.endswith(_OPERATION):
        return None
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(given, dict) and given.get("registryId") == images.REGISTRY
    return given if is_ours else None


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
