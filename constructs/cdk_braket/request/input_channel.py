"""The data that a hybrid job reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import aws_s3 as s3

from cdk_braket.assets.local_files import LocalData
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked


@dataclass(frozen=True, slots=True)
class InputChannel:
    """Input data of a hybrid job; the job finds it in a folder named after the channel.

    Made by `from_asset`, `from_bucket` or `from_s3_uri`.

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
        """Take a file, or the files of a directory, from this machine.

        Each file is a CDK asset that the handler copies to the inputs bucket, under keys that are
        named after the content; the channel's folder holds the file, or what the directory holds.
        Files are copied byte by byte, also their line ends: where Git may check text out with
        CRLF, mark the files with `-text` in `.gitattributes`, or they are other input data.

        Args:
            path: A file or a directory of at most 100 files. Relative to where the app runs.
            content_type: MIME type.
            exclude: What to leave out of a directory, in the syntax of .gitignore.

        Example:
            >>> InputChannel.from_asset("examples/h2_vqe/data", exclude=["*.md"]).content_type
        """
        return InputChannel(content_type, LocalData(Path(path), tuple(exclude)))

    @staticmethod
    @checked
    def from_bucket(
        bucket: s3.IBucket, prefix: str = "", *, content_type: str | None = None
    ) -> "InputChannel":
        """Take what is in a bucket. The job may read the keys that begin with the prefix.

        Args:
            bucket: A bucket that Braket can reach. Its key, if it has one, is granted too.
            prefix: Which keys. Default: all.
            content_type: MIME type.

        Example:
            >>> from aws_cdk import App, Stack
            >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
            >>> InputChannel.from_bucket(bucket, "molecules/").content_type
        """
        return InputChannel(content_type, s3_location.in_bucket(bucket, prefix))

    @staticmethod
    @checked
    def from_s3_uri(uri: str, *, content_type: str | None = None) -> "InputChannel":
        """Take what an S3 URI names. The job may read the keys that begin with it.

        A KMS key of the bucket is not known from the URI: use `from_bucket` where it has one.

        In a URI that is written here, `*`, `?` and `$` are themselves. In what only the deployment
        knows, a `*` or `?` of the key is one to the policies, too: a token should come from whoever
        may choose what the job reads.

        Args:
            uri: `s3://bucket/prefix`, or a token such as another job's `results_s3_uri`.
            content_type: MIME type.

        Example:
            >>> InputChannel.from_s3_uri("s3://amazon-braket-mine/molecules/").content_type
        """
        return InputChannel(content_type, s3_location.at_uri(uri))
