"""Each open question has a call of AWS that answers it; script and page name the same ones."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import boto3
import pytest

from examples.verify_on_aws.verify import QUESTIONS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "unverified.md"
_SCRIPT: Final = re.compile(r"\[verify\.py\]\([^)]+\) ([a-z, -]+):")


def _rows() -> Iterator[tuple[str, str]]:
    """Each question, and the call that answers it."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        yield cells[0], cells[2] if len(cells) > 2 else ""


@pytest.mark.parametrize(("question", "call"), list(_rows()))
def test_a_question_has_calls_that_exist(question: str, call: str) -> None:
    named = re.findall(r"`([a-z0-9]+):([A-Z]\w+)`", call)
    assert named, question
    for service, operation in named:
        client = boto3.client(service, region_name="us-east-1")
        assert operation in client.meta.service_model.operation_names, f"{service}:{operation}"


def test_the_script_has_the_questions_of_the_page() -> None:
    asked = [
        name
        for _, call in _rows()
        for names in _SCRIPT.findall(call)
        for name in names.split(" and ")
    ]
    assert sorted(asked) == sorted(QUESTIONS)
