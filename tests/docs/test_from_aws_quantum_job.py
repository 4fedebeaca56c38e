"""The page on migrating from the Braket SDK: both sides of each row have the same effect."""

import ast
import functools
import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from aws_cdk import Stack
from braket.aws import AwsQuantumJob
from braket.jobs import config

from cdk_braket import AlgorithmScript
from tests import public_api
from tests.docs import ours, sdk, snippets, tables
from tests.docs.snippets import ROOT
from tests.synth.support import LOCAL

NAME: Final = "job"
PAGE: Final = ROOT / "docs" / "migrate" / "from-aws-quantum-job.md"

_SDK_NAMES: Final = {
    **{name: getattr(config, name) for name in vars(config) if name[0].isupper()},
    "session": None,
    "logger": logging.getLogger("braket"),
}


@functools.cache
def _rows() -> tuple[tuple[str, str], ...]:
    """Return the code in the first two columns; the second may be empty."""
    rows = tables.rows(PAGE, "`AwsQuantumJob.create`")
    return tuple((tables.code(row[0])[0], "".join(tables.code(row[1]))) for row in rows)


def _keywords(text: str) -> list[str]:
    [call] = ast.parse(f"dict({text})").body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return [str(keyword.arg) for keyword in call.value.keywords]


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, object]:
    """The values that no row sets, and the files that rows may name."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "pkg"
    package.mkdir()
    for file in (tmp_path / "algo.py", package / "algo.py", package / "__init__.py"):
        file.write_text("def main(**hyperparameters): pass\n", encoding="utf-8")
    (tmp_path / "data.json").write_text("{}", encoding="utf-8")
    return {
        "device": LOCAL,
        "job_name": NAME,
        "algorithm": AlgorithmScript.from_asset("algo.py", entry_point="algo:main"),
    }


def test_every_argument_of_the_sdk_is_on_the_page_and_no_other() -> None:
    listed = {name for theirs, _ in _rows() for name in _keywords(theirs)}
    assert listed == set(inspect.signature(AwsQuantumJob.create).parameters)


def test_every_member_of_the_sdks_classes_is_on_the_page() -> None:
    text = " ".join(theirs for theirs, _ in _rows())
    for name in ("CheckpointConfig", "InstanceConfig", "OutputDataConfig", "StoppingCondition"):
        for member in inspect.signature(getattr(config, name)).parameters:
            assert f"{member}=" in text, f"{name}.{member}"


def test_every_argument_of_ours_on_the_page_exists() -> None:
    listed = {name for _, own in _rows() for name in _keywords(own)}
    assert listed <= set(public_api.arguments())


@pytest.mark.parametrize(("theirs", "own"), [row for row in _rows() if row[1]])
def test_both_sides_of_a_row_create_the_same_request(
    theirs: str, own: str, defaults: Mapping[str, object]
) -> None:
    given = eval(f"dict({theirs})", _SDK_NAMES)  # noqa: S307 - our own page
    asked = _changed(_of_the_sdk(given), _of_the_sdk({}))
    made = _changed(ours.request_from(own, defaults), ours.request_from("", defaults))
    assert made == asked


def _of_the_sdk(given: Mapping[str, object]) -> dict[str, object]:
    least = {"device": LOCAL.arn, "source_module": "algo.py", "entry_point": "algo:main"}
    return sdk.request_of(**{**least, "job_name": NAME, **given})


def _changed(request: Mapping[str, object], least: Mapping[str, object]) -> dict[str, object]:
    """Return the members that differ from the minimal request, without locations."""
    return {
        name: ours.without_places(value)
        for name, value in request.items()
        if ours.without_places(value) != ours.without_places(least.get(name))
    }


def test_the_two_snippets_request_the_same_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    names: dict[str, object] = {}
    for block in snippets.blocks(PAGE):
        found = snippets.check(block, found)
        names = {**found, **names}
    start, stack = names["start"], names["stack"]
    assert callable(start)
    assert isinstance(stack, Stack)
    session = sdk.RecordingSession()
    start(session)
    made = ours.request(stack)
    assert ours.without_places(made) == ours.without_places(session.request)
