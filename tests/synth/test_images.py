"""Container images: the URI of a job, and the created resources."""

from pathlib import Path

import pytest
from aws_cdk import CfnParameter
from aws_cdk import aws_ecr as ecr

from cdk_braket import ContainerImage, HybridJob, ValidationError
from tests.synth.support import LOCAL, allowed, argument_of, new_stack, request_of, template_of


def _uri(image: ContainerImage, region: str | None = "us-east-1") -> str:
    stack = new_stack(region=region)
    HybridJob(stack, "Job", image=image, device=LOCAL)
    algorithm = request_of(stack)["algorithmSpecification"]
    assert isinstance(algorithm, dict)
    return str(algorithm["containerImage"]["uri"])


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (ContainerImage.base(), "base"),
        (ContainerImage.pytorch(), "pytorch"),
        (ContainerImage.tensorflow(), "tensorflow"),
        (ContainerImage.cudaq(), "cudaq"),
    ],
)
def test_images_of_braket_are_those_of_the_region(image: ContainerImage, name: str) -> None:
    assert _uri(image, "eu-west-2") == (
        f"292282985366.dkr.ecr.eu-west-2.amazonaws.com/amazon-braket-{name}-jobs:latest"
    )


def test_a_mapping_knows_the_images_where_the_region_is_not_known() -> None:
    stack = new_stack(region=None)
    for name in ("One", "Two"):
        HybridJob(stack, name, image=ContainerImage.base(), device=LOCAL)
    assert template_of(stack)["Mappings"] == {
        "BraketRegions": {
            region: {"ImageRegistry": "292282985366"}
            for region in ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")
        }
    }


def test_the_mapping_fails_the_deployment_to_a_region_without_images() -> None:
    stack = new_stack(region=None)
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL)
    [repository] = [arn for action, arn in allowed(stack, "Role") if action == "ecr:BatchGetImage"]
    assert "{'Fn::FindInMap': ['BraketRegions', {'Ref': 'AWS::Region'}" in repository
    assert "DefaultValue" not in repository


@pytest.mark.parametrize("which", ["v1", "sha256:" + "a" * 64])
def test_an_image_of_a_repository_goes_by_tag_or_digest(which: str) -> None:
    stack = new_stack()
    repository = ecr.Repository.from_repository_name(stack, "Images", "mine")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.from_ecr_repository(repository, which),
        device=LOCAL,
    )
    separator = "@" if which.startswith("sha256:") else ":"
    assert f"/mine{separator}{which}" in str(request_of(stack)["algorithmSpecification"])


def test_an_image_by_uri_stays_as_it_is_and_its_repository_is_granted() -> None:
    stack = new_stack()
    uri = "999999999999.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:" + "a" * 64
    HybridJob(stack, "Job", image=ContainerImage.from_uri(uri), device=LOCAL)
    assert uri in str(request_of(stack))
    pulled = {r for a, r in allowed(stack, "EnvironmentRole") if a == "ecr:BatchGetImage"}
    assert [r.partition(":ecr:")[2] for r in pulled] == ["us-east-1:999999999999:repository/a/b"]


def test_an_image_from_a_token_is_granted_by_the_token() -> None:
    stack = new_stack()
    uri = CfnParameter(stack, "Image").value_as_string
    HybridJob(stack, "Job", image=ContainerImage.from_uri(uri), device=LOCAL)
    pulled = {r for a, r in allowed(stack, "EnvironmentRole") if a == "ecr:BatchGetImage"}
    assert "'Image'" in pulled.pop()


def test_an_image_is_built_for_the_platform_of_the_instances(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    stack = new_stack()
    HybridJob(stack, "Job", image=ContainerImage.from_asset(str(tmp_path)), device=LOCAL)
    uri = str(request_of(stack)["algorithmSpecification"])
    assert "container-assets" in uri
    pulled = {r for a, r in allowed(stack, "EnvironmentRole") if a == "ecr:BatchGetImage"}
    assert "container-assets" in pulled.pop()


def test_an_image_without_a_dockerfile_is_one_problem_among_the_others(tmp_path: Path) -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as caught:
        HybridJob(
            stack,
            "Job",
            image=ContainerImage.from_asset(tmp_path, file="of/none"),
            device=LOCAL,
            job_name="-",
        )
    assert [argument_of(problem) for problem in caught.value.problems] == ["image", "job_name"]
    assert stack.node.children == []
