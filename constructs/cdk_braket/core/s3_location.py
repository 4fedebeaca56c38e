"""Places in S3: their notation, and the permissions to reach them."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from aws_cdk import Aws, Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX, is_bucket_name

from .keys import READ_ACTIONS, key_statements
from .memo import bucket_name_of, encryption_key_of
from .statement import Statement
from .tokens import STRING_TOKEN, is_token, is_unknown, settled

_S3_URI: Final = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL)
# Both styles of https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_HTTPS_URI: Final = re.compile(
    r"https://(?:s3[.-][^/]+/(?P<path_bucket>[^/]+)|(?P<bucket>[^/]+)\.s3[.-][^/]+)/?(?P<key>.*)",
    re.DOTALL,
)
_HTTPS_REGION: Final = re.compile(
    r"https://(?:[^/]+\.)?s3[.-](?P<region>[a-z0-9-]+)\.amazonaws\.com"
)
# Characters with a special meaning in policies. CDK's markers, which are replaced before, first.
_SPECIAL: Final = re.compile(rf"{STRING_TOKEN}|[*?$]")


@cache
def _partition() -> str:
    return Aws.PARTITION


def literal(text: str) -> str:
    """Escape a string for policies, so that its wildcards and variables are literal.

    Values that are known only at deploy time cannot be escaped: IAM reads a `*` in them as a
    wildcard.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html

    Args:
        text: A key, or a prefix of keys; may hold tokens.
    """
    return _SPECIAL.sub(lambda found: found[0] if found[0][1:] else f"${{{found[0]}}}", text)


@dataclass(frozen=True, slots=True)
class Location:
    """Objects in S3 that share a key prefix, or one object.

    Attributes:
        uri: In the form of the API.
        bucket_name: The bucket's name; empty when the URI does not show it.
        key_prefix: The prefix of the keys, or the one object's key.
        keys: The KMS keys of the objects, where they are known.
        is_object: Whether it is the one object of that key.
        bucket: The bucket, where it is known as a construct.
    """

    uri: str
    bucket_name: str
    key_prefix: str
    keys: tuple[kms.IKey, ...] = ()
    is_object: bool = False
    bucket: s3.IBucket | None = field(default=None, compare=False, repr=False)

    @property
    def written_region(self) -> str | None:
        """The region that the URI shows; None if it shows none."""
        match = _HTTPS_REGION.match(self.uri)
        return match["region"] if match else None

    @property
    def bucket_arn(self) -> str:
        """ARN of the bucket."""
        return f"arn:{_partition()}:s3:::{self.bucket_name}"

    @property
    def prefix(self) -> str:
        """The key prefix, escaped for policies."""
        return literal(self.key_prefix)

    @property
    def has_impossible_bucket(self) -> bool:
        """Whether the bucket's name is known, and S3 has no bucket of such a name."""
        name = self._written_bucket()
        return bool(name) and not is_unknown(name) and not is_bucket_name(name)

    def _written_bucket(self) -> str:
        return self.bucket_name

    @property
    def is_known_late(self) -> bool:
        """Whether only the deployment knows it: it may come from another job of the stack."""
        return False

    @property
    def is_reachable(self) -> bool:
        """Whether the bucket's name is known, and is one that Braket reaches by name."""
        # A token does not match either.
        return self.bucket_name.startswith(REACHABLE_PREFIX)

    @property
    def is_unreachable(self) -> bool:
        """Whether the bucket's name is known and is not one that Braket reaches by name."""
        known = bool(self.bucket_name) and not is_unknown(self.bucket_name)
        return known and not self.bucket_name.startswith(REACHABLE_PREFIX)

    def read_statements(self) -> list[Statement]:
        """The permissions to read the objects and no others."""
        if not self.bucket_name:
            return []
        which = self.prefix if self.is_object else f"{self.prefix}*"
        statements = [objects_statement(["s3:GetObject"], self.bucket_arn, [which])]
        if not self.is_object:
            statements.append(list_statement(self.bucket_arn, [which]))
        return [*statements, *key_statements(self.keys, READ_ACTIONS)]


def in_bucket(bucket: s3.IBucket, prefix: str, *, is_object: bool = False) -> Location:
    """Name the objects of a bucket whose keys begin with `prefix`, or the one of that key."""
    name = bucket_name_of(bucket)
    uri = f"s3://{name}/{prefix}"
    key = encryption_key_of(bucket)
    keys = () if key is None else (key,)
    return Location(uri, name, prefix, keys, is_object, bucket)


def at_uri(uri: str, key: kms.IKey | None = None) -> Location:
    """Return the location of an S3 URI, which may be a token.

    Args:
        uri: The URI.
        key: The KMS key of the bucket, where it is known.
    """
    uri = settled(uri)
    keys = () if key is None else (key,)
    if is_token(uri):
        # The string around a token can be escaped, the token's value cannot.
        rest = Fn.select(1, Fn.split("s3://", literal(uri)))
        bucket_name = Fn.select(2, Fn.split("/", uri))
        return _TokenLocation(uri, bucket_name, rest, keys)
    match = _S3_URI.fullmatch(uri)
    if match:
        return Location(uri, match["bucket"], match["key"], keys)
    match = _HTTPS_URI.fullmatch(uri)
    if match:
        return Location(uri, match["bucket"] or match["path_bucket"], match["key"], keys)
    return Location(uri, "", "")


@dataclass(frozen=True, slots=True)
class _TokenLocation(Location):
    """A location whose URI is known only at deploy time: `prefix` is `bucket/prefix` here.

    Wildcards in the URI reach the policies. The handler refuses those in the bucket's name before
    it creates a job. So the most they can add is other keys of the bucket that the URI names.
    """

    def _written_bucket(self) -> str:
        match = _S3_URI.fullmatch(self.uri)
        return match["bucket"] if match else ""

    @property
    def prefix(self) -> str:
        return self.key_prefix

    @property
    def is_known_late(self) -> bool:
        return True

    def read_statements(self) -> list[Statement]:
        objects = f"arn:{_partition()}:s3:::{self.prefix}*"
        return [
            Statement(actions=["s3:GetObject"], resources=[objects]),
            # The prefix is not known, so the whole bucket may be listed.
            Statement(actions=["s3:ListBucket"], resources=[self.bucket_arn]),
            *key_statements(self.keys, READ_ACTIONS),
        ]


def objects_statement(actions: list[str], bucket_arn: str, patterns: list[str]) -> Statement:
    """Allow actions on the objects of a bucket with matching keys."""
    return Statement(actions=actions, resources=[f"{bucket_arn}/{pattern}" for pattern in patterns])


def list_statement(bucket_arn: str, patterns: list[str]) -> Statement:
    """Allow listing the keys of a bucket that match."""
    return Statement(
        actions=["s3:ListBucket"],
        resources=[bucket_arn],
        conditions={"StringLike": {"s3:prefix": patterns}},
    )
