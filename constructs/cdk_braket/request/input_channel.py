"""The data that a hybrid job reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import aws_s3 as s3

from cdk_braket.assets.local_files import LocalData
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked
from cdk_braket.core.factories import FactoryOnly


@dataclass(frozen=True, slots=True, init=False)
class InputChannel(FactoryOnly):
    """Input data of a hybrid job; the job finds it in a folder named after the channel.

    Create it with `from_asset`, `from_bucket` or `from_s3_uri`.

    Attributes:
        content_type: The data's MIME type, which the service stores with the job. Default: none.

    Example:
        >>> from cdk_braket import InputChannel
        >>> InputChannel.from_asset("examples/h2_vqe/data", content_type="application/json")
        InputChannel(content_type='application/json')
    """

    __module__ = "cdk_braket"

    content_type: str | None
    source: LocalData | s3_location.Location = field(repr=False)

    @staticmethod
    @checked
    def from_asset(
        path: str | Path, *, content_type: str | None = None, exclude: Sequence[str] = ()
    ) -> "InputChannel":
        """Use a file, or the files of a directory, from this machine.

        Each file is a CDK asset. The handler copies it to the inputs bucket, under a key that is
        derived from the content. The channel's folder holds the file, or the files of the
        directory. Files are copied byte by byte, including their line ends. If Git may check them
        out with CRLF, mark them with `-text` in `.gitattributes`: other line ends are other data.

        Args:
            path: A file or a directory of at most 100 files, relative to the app's working
                directory.
            content_type: MIME type.
            exclude: Files to omit from a directory, in the syntax of .gitignore.

        Example:
            >>> InputChannel.from_asset("examples/h2_vqe/data", exclude=["*.md"]).content_type
        """
        source = LocalData(str(path), tuple(exclude))
        return InputChannel._create(content_type=content_type, source=source)

    @staticmethod
    @checked
    def from_bucket(
        bucket: s3.IBucket, prefix: str = "", *, content_type: str | None = None
    ) -> "InputChannel":
        """Use the objects of a bucket. The job may read the keys that begin with the prefix.

        Args:
            bucket: A bucket that Braket can reach. The job may also use its key.
            prefix: The prefix of the keys. Default: all keys.
            content_type: MIME type.

        Example:
            >>> from aws_cdk import App, Stack
            >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
            >>> InputChannel.from_bucket(bucket, "molecules/").content_type
        """
        source = s3_location.in_bucket(bucket, prefix)
        return InputChannel._create(content_type=content_type, source=source)

    @staticmethod
    @checked
    def from_s3_uri(uri: str, *, content_type: str | None = None) -> "InputChannel":
        """Use the objects at an S3 URI. The job may read the keys that begin with it.

        If the bucket has a KMS key, use `from_bucket`: the URI does not contain the key.

        In a literal URI, `*`, `?` and `$` stand for themselves. In a token, `*` and `?` are also
        wildcards of the policies. Use only tokens from sources that you trust to select the job's
        input.

        Args:
            uri: `s3://bucket/prefix`, or a token such as another job's `results_s3_uri`.
            content_type: MIME type.

        Example:
            >>> InputChannel.from_s3_uri("s3://amazon-braket-mine/molecules/").content_type
        """
        return InputChannel._create(content_type=content_type, source=s3_location.at_uri(uri))
