"""The container image that a hybrid job runs in."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aws_cdk import ArnFormat, Aws, CfnMapping, Fn, Stack, Token
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from cdk_braket.core.argument_types import checked
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.local_paths import path_issue
from cdk_braket.core.memo import region_of, remembered, stack_of
from cdk_braket.core.statement import Statement
from cdk_braket.core.tokens import is_stand_in, is_unknown, settled

# Source: `braket/jobs/image_uri_config/*.json` of amazon-braket-sdk; tests/contract compares.
REGISTRY: Final = "292282985366"
REGIONS: Final = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")

_MAPPING: Final = "BraketRegions"
_REGISTRY_KEY: Final = "ImageRegistry"

# account.dkr.ecr.region.amazonaws.com/repository[:tag][@digest]
_URI: Final = re.compile(
    r"(?P<account>\d+)\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@]+)"
)


@dataclass(frozen=True, slots=True)
class BoundImage:
    """An image that a stack can use.

    Attributes:
        uri: The image's URI.
        repository_arn: The repository that the role pulls from; None if it is unknown.
    """

    uri: str
    repository_arn: str | None

    def pull_statements(self) -> list[Statement]:
        """The permissions to pull the image."""
        if self.repository_arn is None:
            return []
        return [
            Statement(
                actions=[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                resources=[self.repository_arn],
            ),
            # The token is the registry's, so the action knows no resource. Source:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
            Statement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        ]


class ContainerImage(ABC):
    """The container image that a hybrid job runs in.

    Example:
        >>> from cdk_braket import ContainerImage
        >>> image = ContainerImage.pytorch()
    """

    __module__ = "cdk_braket"

    @staticmethod
    def base() -> "ContainerImage":
        """Braket's image with the SDK and its simulators, of the stack's region."""
        return _BraketImage("base")

    @staticmethod
    def pytorch() -> "ContainerImage":
        """Braket's image with PyTorch, of the stack's region."""
        return _BraketImage("pytorch")

    @staticmethod
    def tensorflow() -> "ContainerImage":
        """Braket's image with TensorFlow, of the stack's region."""
        return _BraketImage("tensorflow")

    @staticmethod
    def cudaq() -> "ContainerImage":
        """Braket's image with CUDA-Q, of the stack's region."""
        return _BraketImage("cudaq")

    @staticmethod
    @checked
    def from_ecr_repository(
        repository: ecr.IRepository, tag_or_digest: str = "latest"
    ) -> "ContainerImage":
        """Use an image from your repository. The job may pull from it.

        Args:
            repository: The repository.
            tag_or_digest: A tag, or a digest that begins with `sha256:`. Default: `latest`.

        Example:
            >>> from aws_cdk import App, Stack
            >>> repository = ecr.Repository(Stack(App(), "S"), "Images")
            >>> image = ContainerImage.from_ecr_repository(repository, "v1")
        """
        return _RepositoryImage(repository, tag_or_digest)

    @staticmethod
    @checked
    def from_uri(uri: str) -> "ContainerImage":
        """Use an image by its URI in Amazon ECR. The job may pull from that repository.

        Args:
            uri: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>`, or a token.

        Example:
            >>> image = ContainerImage.from_uri(
            ...     "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"
            ... )
        """
        return _UriImage(settled(uri))

    @staticmethod
    @checked
    def from_asset(directory: str | Path, *, file: str | None = None) -> "ContainerImage":
        """Build an image from a Dockerfile on this machine, for the platform of Braket's instances.

        Args:
            directory: The folder with the Dockerfile.
            file: The Dockerfile's path below the folder. Default: `Dockerfile`.

        Example:
            >>> image = ContainerImage.from_asset("images/chemistry")
        """
        return _AssetImage(str(directory), file)

    @abstractmethod
    def known_uri(self, region: str) -> str:
        """The URI if it is known before anything is created; otherwise a token."""

    @abstractmethod
    def bind(self, scope: Construct) -> BoundImage:
        """Create the resources that the image needs."""

    def issue(self, region: str) -> Issue | None:  # noqa: ARG002 - for those that can be wrong
        """Return the issue with the image in a region; None if it is valid."""
        return None


@remembered
def _bound_images(stack: Stack) -> dict[str, BoundImage]:  # noqa: ARG001 - it is kept with the stack
    return {}


class _BraketImage(ContainerImage):
    def __init__(self, name: str) -> None:
        self._repository = f"amazon-braket-{name}-jobs"

    def known_uri(self, region: str) -> str:
        return _uri(REGISTRY, region, f"{self._repository}:latest")

    def issue(self, region: str) -> Issue | None:
        if is_unknown(region) or region in REGIONS:
            return None
        return Issue(
            "image",
            f"region {region!r}: Amazon Braket has no {self._repository} image there",
            f"Deploy the stack to {', '.join(REGIONS[:-1])} or {REGIONS[-1]}, or use "
            "ContainerImage.from_uri(…)",
        )

    def bind(self, scope: Construct) -> BoundImage:
        stack = stack_of(scope)
        bound = _bound_images(stack)
        if self._repository not in bound:
            bound[self._repository] = self._bind(stack)
        return bound[self._repository]

    def _bind(self, stack: Stack) -> BoundImage:
        region = region_of(stack)
        registry = REGISTRY
        if is_unknown(region):
            # The mapping fails a deployment to a region without the images before it starts. In
            # the role's policy, not in each job of what may be hundreds.
            registry = _mapping(stack).find_in_map(Aws.REGION, _REGISTRY_KEY)
        return BoundImage(
            self.known_uri(region), _repository_arn(stack, registry, region, self._repository)
        )


class _RepositoryImage(ContainerImage):
    def __init__(self, repository: ecr.IRepository, tag_or_digest: str) -> None:
        self._repository = repository
        self._tag_or_digest = tag_or_digest

    def known_uri(self, region: str) -> str:  # noqa: ARG002 - the repository knows its own
        return self._repository.repository_uri_for_tag_or_digest(self._tag_or_digest)

    def issue(self, region: str) -> Issue | None:
        if is_stand_in(self._repository.repository_arn):
            return None
        return _elsewhere(self._repository.env.region, region, self._repository.node.path)

    def bind(self, scope: Construct) -> BoundImage:  # noqa: ARG002 - nothing to create
        return BoundImage(self.known_uri(""), self._repository.repository_arn)


class _UriImage(ContainerImage):
    def __init__(self, uri: str) -> None:
        self._uri = uri

    def known_uri(self, region: str) -> str:  # noqa: ARG002 - the URI is known
        return self._uri

    def issue(self, region: str) -> Issue | None:
        match = None if is_unknown(self._uri) else _URI.match(self._uri)
        return None if match is None else _elsewhere(match["region"], region, self._uri)

    def bind(self, scope: Construct) -> BoundImage:
        return BoundImage(self._uri, self._repository_arn(stack_of(scope)))

    def _repository_arn(self, stack: Stack) -> str | None:
        if is_unknown(self._uri):
            host, path = (Fn.select(index, Fn.split("/", self._uri)) for index in (0, 1))
            account, region = (Fn.select(index, Fn.split(".", host)) for index in (0, 3))
            # A token cannot be cut at its last slash: the repository's first part and the rest.
            first = Fn.select(0, Fn.split("@", Fn.select(0, Fn.split(":", path))))
            return _repository_arn(stack, account, region, f"{first}*")
        match = _URI.match(self._uri)
        if match is None:
            return None
        return _repository_arn(stack, match["account"], match["region"], match["repository"])


class _AssetImage(ContainerImage):
    def __init__(self, directory: str, file: str | None) -> None:
        self._given = directory
        self._directory = Path(directory)
        self._file = file

    def known_uri(self, region: str) -> str:  # noqa: ARG002 - known after the build
        return Token.as_string({"Ref": "AWS::NoValue"})

    def issue(self, region: str) -> Issue | None:  # noqa: ARG002 - it is the same in all
        recipe = self._directory / (self._file or "Dockerfile")
        if recipe.is_file():
            return None
        return path_issue("image", self._given) or Issue(
            "image",
            "holds no such file",
            "Name the folder of a Dockerfile, and file=…",
            shorten(str(recipe)),
        )

    def bind(self, scope: Construct) -> BoundImage:
        asset = ecr_assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(self._directory),
            file=self._file,
            # On any build machine: Braket's instances are x86.
            platform=ecr_assets.Platform.LINUX_AMD64,
        )
        return BoundImage(asset.image_uri, asset.repository.repository_arn)


def _elsewhere(there: str, here: str, name: str) -> Issue | None:
    """A job's instances pull from the registry of the job's region.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
    """
    if there == here or is_unknown(there) or is_unknown(here):
        return None
    rule = f"is in {there}, and the job would be in {here}"
    return Issue("image", rule, f"Copy the image to a repository in {here}", shorten(name))


def _uri(registry: str, region: str, image: str) -> str:
    return f"{registry}.dkr.ecr.{region}.amazonaws.com/{image}"


def _repository_arn(stack: Stack, account: str, region: str, repository: str) -> str:
    return stack.format_arn(
        service="ecr",
        account=account,
        region=region,
        resource="repository",
        resource_name=repository,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )


def _mapping(stack: Stack) -> CfnMapping:
    """The mapping of a stack from regions to the registries of Braket's images."""
    existing = stack.node.try_find_child(_MAPPING)
    if isinstance(existing, CfnMapping):
        return existing
    regions = {region: {_REGISTRY_KEY: REGISTRY} for region in REGIONS}
    return CfnMapping(stack, _MAPPING, mapping=regions)
