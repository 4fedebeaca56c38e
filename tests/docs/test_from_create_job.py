"""The page on migrating from CreateJob: each row's right side creates its left side."""

import functools
import json
from typing import Final, cast

import pytest
from aws_cdk import Stack
from aws_cdk import aws_s3 as s3

from cdk_braket import AlgorithmScript
from cdk_braket._lambda.braket_jobs.api import model_rules
from tests.create_job import REQUEST, members
from tests.docs import ours, snippets, tables
from tests.docs.snippets import ROOT
from tests.synth.support import LOCAL, new_stack

PAGE: Final = ROOT / "docs" / "migrate" / "from-create-job.md"


@functools.cache
def _rows() -> tuple[tuple[str, str], ...]:
    """Return the code in the first two columns; the second may be empty."""
    rows = tables.rows(PAGE, "`create_job`")
    return tuple((tables.code(row[0])[0], "".join(tables.code(row[1]))) for row in rows)


def _json(text: str) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(f"{{{text}}}"))


def test_every_argument_of_create_job_is_on_the_page_and_no_other() -> None:
    assert {name for theirs, _ in _rows() for name in _json(theirs)} == {
        path[0] for path in members()
    }


@pytest.mark.parametrize(("theirs", "own"), [row for row in _rows() if row[1]])
def test_the_right_side_of_a_row_creates_the_left_side(theirs: str, own: str) -> None:
    bucket = s3.Bucket.from_bucket_name(new_stack(), "Mine", "amazon-braket-mine")
    script = AlgorithmScript.from_bucket(bucket, "algo.tar.gz", entry_point="algo:main")
    made = ours.request_from(own, {"device": LOCAL, "algorithm": script})
    for member, value in _json(theirs).items():
        assert made[member] == value


def test_the_two_snippets_request_the_same_job() -> None:
    found: dict[str, object] = {}
    for block in snippets.blocks(PAGE):
        found = snippets.check(block, found)
    asked, stack = cast("dict[str, object]", found["REQUEST"]), found["stack"]
    assert isinstance(stack, Stack)
    assert ours.request(stack) == asked
    assert model_rules.check(REQUEST, {**asked, "clientToken": "t"}) == []
