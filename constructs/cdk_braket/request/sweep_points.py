"""The points of a sweep: a grid, a file of this machine, or an object in S3."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aws_cdk import aws_s3 as s3

from cdk_braket.core.argument_types import checked
from cdk_braket.core.factories import FactoryOnly
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.local_paths import path_issue
from cdk_braket.core.plain import Hyperparameter
from cdk_braket.core.validation_error import ValidationError


class PointsFormat(StrEnum):
    """The formats of a file with points, by the names that Step Functions has for them."""

    CSV = "CSV"
    JSON = "JSON"
    JSONL = "JSONL"


_FORMATS = {".csv": PointsFormat.CSV, ".json": PointsFormat.JSON, ".jsonl": PointsFormat.JSONL}


class Grid:
    """All combinations of the values of some hyperparameters.

    The last hyperparameter changes fastest, as in nested loops.

    Example:
        >>> from cdk_braket import Grid
        >>> grid = Grid(bond_length=[0.7, 0.8], seed=[1, 2, 3])
        >>> len(grid)
        6
        >>> next(iter(grid))
        {'bond_length': 0.7, 'seed': 1}
    """

    __module__ = "cdk_braket"

    def __init__(self, **axes: Iterable[Hyperparameter]) -> None:
        """Declare a grid.

        Args:
            axes: The values of each hyperparameter, by its name. For a name that Python does not
                allow: `Grid(**{"learning-rate": [0.1, 0.2]})`.

        Raises:
            ValidationError: The values of a hyperparameter are not a list.
        """
        wrong = [
            Issue(name, "expected a list of values, got a string", "Use [value]", shorten(values))
            for name, values in axes.items()
            if isinstance(values, str)
        ]
        wrong += [
            Issue(name, f"expected a list of values, got {type(values).__name__}", "Use [value]")
            for name, values in axes.items()
            if not isinstance(values, Iterable)
        ]
        if wrong:
            raise ValidationError("Grid", wrong)
        self._axes: dict[str, tuple[Hyperparameter, ...]] = {
            name: tuple(values) for name, values in axes.items()
        }

    def __len__(self) -> int:
        """Return how many points there are."""
        number = 1 if self._axes else 0
        for values in self._axes.values():
            number *= len(values)
        return number

    def __iter__(self) -> Iterator[dict[str, Hyperparameter]]:
        """Yield each point."""
        if self._axes:
            for values in itertools.product(*self._axes.values()):
                yield dict(zip(self._axes, values, strict=True))


@dataclass(frozen=True, slots=True, init=False)
class SweepPoints(FactoryOnly):
    """Points that are in a file: one row or object for each.

    Create them with `from_asset` or `from_bucket`.

    Example:
        >>> from aws_cdk import App, Stack
        >>> from aws_cdk import aws_s3 as s3
        >>> from cdk_braket import SweepPoints
        >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
        >>> points = SweepPoints.from_bucket(bucket, "points.csv")
    """

    __module__ = "cdk_braket"

    given: str
    bucket: s3.IBucket | None

    @staticmethod
    @checked
    def from_asset(path: str | Path) -> "SweepPoints":
        """Use a file of this machine. Each point is checked at synth.

        Args:
            path: The file. Its suffix selects its format: `.csv` with a header, `.json` with a list
                of objects, or `.jsonl` with an object on each line. The values of a CSV file are
                strings, as a job receives all hyperparameters.

        Example:
            >>> from cdk_braket import SweepPoints
            >>> points = SweepPoints.from_asset("points.csv")
        """
        return SweepPoints._create(given=str(path), bucket=None)

    @staticmethod
    @checked
    def from_bucket(bucket: s3.IBucket, key: str) -> "SweepPoints":
        """Use an object in S3, which each execution reads as it is then.

        Its points are not known at synth, so each is checked when its job is started. A point that
        the service would refuse fails alone.

        Args:
            bucket: The bucket, in the region of the sweep. The state machine may also use its key.
            key: The object's key. Its suffix selects the format, as for `from_asset`.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_s3 as s3
            >>> from cdk_braket import SweepPoints
            >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
            >>> points = SweepPoints.from_bucket(bucket, "points.jsonl")
        """
        return SweepPoints._create(given=key, bucket=bucket)

    def _format(self) -> PointsFormat | None:
        """The format of the file; None if its suffix is unknown."""
        return _FORMATS.get(Path(self.given).suffix.lower())

    def _issues(self) -> Iterator[Issue]:
        """Yield the problems of the name of the file, or of the file as a whole."""
        if self._format() is None:
            rule = f"expected a name that ends in {', '.join(_FORMATS)}, got {shorten(self.given)}"
            yield Issue("parameters", rule, "Rename the file")
        elif self.bucket is None and (issue := path_issue("parameters", self.given)):
            yield issue

    def _read(self) -> list[object]:
        """Return the points of a file of this machine.

        Raises:
            ValueError: It is not of its format.
        """
        text = Path(self.given).read_text(encoding="utf-8-sig")
        match self._format():
            case PointsFormat.CSV:
                return list(_rows(text))
            case PointsFormat.JSONL:
                return [json.loads(line) for line in text.split("\n") if line.strip()]
            case _:
                found = json.loads(text)
                if not isinstance(found, list):
                    raise ValueError("expected a list of objects")  # noqa: TRY004 - its content
                return found


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if len(set(header)) != len(header) or not all(header):
        raise ValueError("expected a header with a different name for each column")
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(
                f"line {reader.line_num}: expected {len(header)} values, got {len(row)}"
            )
        yield dict(zip(header, row, strict=True))
