"""Jobs that cannot have their environment here, and the environment that stands for it."""

from collections.abc import Iterator, Mapping

from cdk_braket._lambda.braket_jobs.api.service_rules import text_in
from cdk_braket_local.braket.images import image_of
from cdk_braket_local.settings import IMAGE_STANDIN

_DATA_PARALLEL = "sagemaker_distributed_dataparallel_enabled"


def problems(request: Mapping[str, object]) -> Iterator[str]:
    """Yield the reasons why a CreateJob request cannot run here as on AWS."""
    uri = text_in(request, "algorithmSpecification", "containerImage", "uri") or None
    image = image_of(uri)
    if image is None:
        yield (
            f"algorithmSpecification.containerImage.uri: expected an image of Amazon Braket, got "
            f"{uri}: the local AWS runs no containers"
        )
    elif not image.pins:
        yield (
            f"algorithmSpecification.containerImage.uri: {uri} needs a GPU, and the local AWS uses "
            "none"
        )
    instances = request.get("instanceConfig")
    count = instances.get("instanceCount") if isinstance(instances, Mapping) else None
    if isinstance(count, int) and count > 1:
        yield f"instanceConfig.instanceCount: expected 1, got {count}: there is one machine here"
    if text_in(request, "hyperParameters", _DATA_PARALLEL).lower() == "true":
        yield "hyperParameters: data parallelism needs several processes with GPUs"


def refusal(request: Mapping[str, object]) -> str | None:
    """Return the reason why a request is refused, with the way to accept a stand-in, or None."""
    found = list(problems(request))
    if not found:
        return None
    return (
        f"{'; '.join(found)}. To run the script once, with packages of your machine, set "
        f"{IMAGE_STANDIN}=1 and start the local AWS again."
    )
