"""The table in the docs equals the output of the command, and our handler passes all of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cdk_braket._lambda.braket_jobs.handler import index
from tests.simulator.cloudformation import CloudFormation
from tests.simulator.table import CASES, bears, table

PAGE = Path(__file__).parents[2] / "docs" / "explain" / "faults.md"


@pytest.mark.parametrize("case", CASES)
def test_our_handler_bears_every_named_fault(case: Callable[[CloudFormation], bool]) -> None:
    assert bears(index.respond_to, case)


def test_the_page_has_the_table_that_the_command_prints() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
