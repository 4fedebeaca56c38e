"""The page that maps CreateJob's members to our properties, against the service model."""

import ast
import functools
from collections.abc import Sequence
from typing import Final

import pytest

from cdk_braket import HybridJob, PreflightCheck
from cdk_braket._lambda.braket_jobs.api.service_model import Shape, shape
from cdk_braket.request.create_job import SURFACE
from tests import public_api
from tests.create_job import EACH, KEYS, REQUEST, filled, members
from tests.create_job import Path as Member
from tests.docs import tables
from tests.docs.snippets import ROOT
from tests.synth.support import LOCAL, new_stack, request_of, script
from tests.types import sample

PAGE: Final = ROOT / "docs" / "reference" / "create-job.md"

_ENUM_SHOWN: Final = 3
_NOT_SENT: Final = "not sent"
_REQUIRED: Final = "required"

# Members that the request of the custom resource does not have, and the tests that show them.
_ELSEWHERE: Final = {
    "clientToken": (
        "tests/unit/handler/test_histories.py",
        "test_create_starts_the_requested_job",
    ),
    "tags": ("tests/synth/test_tags.py", "test_tags_of_any_scope_above_reach_the_job"),
}


def _name(member: Member) -> str:
    """A member as the page writes it."""
    text = ""
    for step, of in zip(member, _shapes(member), strict=True):
        if step == EACH:
            text += "[]" if of == "list" else "{}"
        else:
            text += "{key}" if step == KEYS else f".{step}" if text else step
    return text


def _shapes(member: Member) -> list[str]:
    """The types of the shapes that hold each step of a path."""
    return ["structure", *(members()[member[:end]].type for end in range(1, len(member)))]


@functools.cache
def _table() -> dict[str, list[str]]:
    rows = tables.rows(PAGE, "CreateJob")
    assert len({row[0] for row in rows}) == len(rows), "a member has two rows"
    return {tables.code(row[0])[0]: row[1:] for row in rows}


_MEMBERS: Final = {_name(member): member for member in members()}


def test_every_member_has_a_row_and_every_row_is_a_member() -> None:
    assert set(_table()) == set(_MEMBERS)


def test_every_member_has_a_test() -> None:
    shown = filled({**sample.REQUEST, "roleArn": "", "tags": sample.TAGS})
    shown |= {(name,) for name in _ELSEWHERE}
    assert shown == set(members())
    for file, test in _ELSEWHERE.values():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert any(name.startswith(test) for name in functions), f"{file} has no {test}"


@pytest.mark.parametrize("name", _MEMBERS)
def test_a_row_names_properties_that_exist_and_that_errors_name(name: str) -> None:
    properties = tables.code(_table()[name][0])
    member = _MEMBERS[name]
    if member == ("clientToken",):
        assert not properties
        return
    assert properties
    known = SURFACE[member[:-1] if member[-1] == KEYS else member].name.replace("{}", "…")
    for each in properties:
        assert public_api.exists(each), f"HybridJob has no {each}"
    assert properties[0].startswith(known), f"errors name {known}"


def rule(member: Member) -> str:
    """The model's rule for a member, as the page writes it."""
    found = members()[member]
    owner = shape(REQUEST if len(member) == 1 else members()[member[:-1]].name)
    parts = [_REQUIRED] if member[-1] in owner.required else []
    parts += [text for text in (_size(found), _pattern(found), _enum(found)) if text]
    return "; ".join(parts)


def _size(found: Shape) -> str:
    nouns = {"string": " characters", "list": " items", "map": " entries"}
    noun = nouns.get(found.type, "")
    if found.maximum is None:
        return "" if found.minimum is None else f"at least {found.minimum}{noun}"
    if not found.minimum:
        return f"up to {found.maximum}{noun}"
    return f"{found.minimum} to {found.maximum}{noun}"


def _pattern(found: Shape) -> str:
    return f"`{found.pattern}`" if found.pattern else ""


def _enum(found: Shape) -> str:
    if len(found.enum) > _ENUM_SHOWN:
        return f"one of {len(found.enum)} values"
    return " or ".join(f"`{value}`" for value in found.enum)


@pytest.mark.parametrize("name", _MEMBERS)
def test_a_row_states_the_models_rule(name: str) -> None:
    assert _table()[name][1] == rule(_MEMBERS[name])


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The request of a job with nothing but a script and a device."""
    stack = new_stack()
    HybridJob(stack, "Job", algorithm=script(tmp_path_factory.mktemp("script")), device=LOCAL)
    return dict(request_of(stack))


@pytest.mark.parametrize("name", [n for n, m in _MEMBERS.items() if m[0] not in _ELSEWHERE])
def test_a_row_states_the_default(name: str, least: dict[str, object]) -> None:
    default = _table()[name][3]
    if not default:
        assert KEYS in _MEMBERS[name] or EACH in _MEMBERS[name]
        return
    is_sent = _MEMBERS[name] in filled(least)
    assert is_sent == (not default.startswith(_NOT_SENT))
    if default.startswith("`"):
        value = _value(least, _MEMBERS[name])
        assert _resembles(value, tables.code(default)[0]), value


def _value(request: object, member: Sequence[str]) -> str:
    for step in member:
        assert isinstance(request, dict)
        request = request[step]
    return str(request)


def _resembles(value: str, shown: str) -> bool:
    """Whether a value equals the documented one, in which angle brackets stand for any string."""
    if "<" not in shown:
        return value == shown
    parts = [part.partition(">")[2] for part in f">{shown}".split("<")]
    return all(part in value for part in parts) and value.endswith(parts[-1])


def test_every_argument_is_on_the_page() -> None:
    of_create_job = {
        each.partition(".")[0].removesuffix("[…]")
        for row in _table().values()
        for each in tables.code(row[0])
    }
    others = {tables.code(row[0])[0] for row in tables.rows(PAGE, "HybridJob")}
    assert not of_create_job & others
    assert of_create_job | others == set(public_api.arguments())


def test_the_page_has_every_check_of_the_preflight() -> None:
    shown = [tables.code(row[0])[0] for row in tables.rows(PAGE, "check")]
    assert shown == [check.value for check in PreflightCheck]
