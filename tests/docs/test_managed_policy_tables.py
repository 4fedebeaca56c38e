"""The tables that compare our execution role with AWS's own policy have each action once."""

from collections import Counter

from tests import permissions
from tests.ledger.managed_policies import JOBS_EXECUTION

_ROLES = ("The execution role", "The role of an isolated job")


def _ours() -> frozenset[str]:
    """The actions of the execution roles, which another test compares with the templates."""
    found = [line.actions for line in permissions.lines() if line.section in _ROLES]
    return frozenset().union(*found)


def test_each_action_of_the_managed_policy_is_kept_or_left_out_once() -> None:
    listed = Counter(a for actions, _, _ in permissions.of_managed_policy() for a in actions)
    assert listed.keys() == JOBS_EXECUTION.actions()
    assert set(listed.values()) == {1}


def test_an_action_is_kept_if_and_only_if_the_role_has_it() -> None:
    for actions, kept, _ in permissions.of_managed_policy():
        assert kept in {"yes", "narrower", "no"}
        expected = frozenset() if kept == "no" else actions
        assert actions & _ours() == expected, (kept, actions)


def test_an_action_that_the_managed_policy_lacks_has_a_reason() -> None:
    listed = [action for actions, _ in permissions.beyond_managed_policy() for action in actions]
    assert frozenset(listed) == _ours() - JOBS_EXECUTION.actions()
    assert len(listed) == len(set(listed))


def test_each_line_has_a_reason() -> None:
    assert all(why for _, _, why in permissions.of_managed_policy())
    assert all(why for _, why in permissions.beyond_managed_policy())


def test_a_kept_action_has_the_resource_of_the_managed_policy() -> None:
    """`narrower` is narrower: nothing of ours is on a resource that the managed policy lacks."""
    of_aws = {action: resource for action, resource, _ in JOBS_EXECUTION.permissions()}
    for actions, kept, _ in permissions.of_managed_policy():
        on_everything = {
            action
            for line in permissions.lines()
            if line.section in _ROLES and line.resources == {"*"}
            for action in line.actions & actions
        }
        if kept == "narrower":
            assert on_everything == set()
        if kept == "yes":
            assert on_everything == actions
            assert {of_aws[action] for action in actions} == {"*"}


def test_the_page_names_the_version_that_it_was_compared_with() -> None:
    page = permissions.PAGE.read_text(encoding="utf-8")
    assert f"(version {JOBS_EXECUTION.version}, edited on July 6, 2026)" in page
    assert JOBS_EXECUTION.edited.startswith("2026-07-06")
    assert JOBS_EXECUTION.source in page
