"""Another MiniStack than the one that the adapter was written for is told at once."""

import pytest

from cdk_braket_local.ministack_adapter import names


def test_the_installed_one_is_as_expected() -> None:
    names.check()


def test_another_release_is_named() -> None:
    with pytest.raises(names.IncompatibleError, match=r"it is .*, not 0\.0\.1.*pip install"):
        names.check(version="0.0.1")


@pytest.mark.parametrize(
    ("name", "expected", "problem"),
    [
        ("ministack.app:not_there", None, "ministack.app:not_there is missing"),
        ("ministack.not_there:app", None, "ministack.not_there:app is missing"),
        ("ministack.services.s3:_delete_bucket", ("bucket",), r"takes \(name\), not \(bucket\)"),
    ],
)
def test_what_is_missing_or_other_is_named(
    name: str, expected: tuple[str, ...] | None, problem: str
) -> None:
    with pytest.raises(names.IncompatibleError, match=problem):
        names.check(names={name: expected})


def test_all_that_is_wrong_is_named_at_once() -> None:
    wrong = {"ministack.app:one": None, "ministack.app:two": None}
    with pytest.raises(names.IncompatibleError, match=r"one is missing; ministack\.app:two"):
        names.check(names=wrong)
