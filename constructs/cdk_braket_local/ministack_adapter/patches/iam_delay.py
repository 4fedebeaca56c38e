"""The time until a change of IAM takes effect, which on AWS is up to some seconds.

MiniStack applies changes at once, so that a deployment that does not wait or repeat would go
unnoticed. With `CDK_BRAKET_LOCAL_IAM_DELAY` set, a new or changed policy of a role or a user takes
effect so many seconds later.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from ministack.core import iam_evaluator, responses
from ministack.services import iam

from cdk_braket_local.ministack_adapter.environment import IAM_DELAY, iam_delay

_SAMPLE_SECONDS: Final = 0.25

_Policies = list[list[Any]]
_Gather = Callable[[str, str], _Policies]
_Name = tuple[str, str]


def install() -> None:
    """Have MiniStack apply policies late, if the delay is above 0."""
    delay = iam_delay(os.environ.get(IAM_DELAY, ""))
    if not delay:
        return
    roles = History(iam_evaluator._gather_role_policies, delay)
    users = History(iam_evaluator._gather_user_policies, delay)
    iam_evaluator._gather_role_policies = roles.policies
    iam_evaluator._gather_user_policies = users.policies

    def sample() -> None:
        while True:
            roles.sample(list(iam._roles._data), time.monotonic())
            users.sample(list(iam._users._data), time.monotonic())
            time.sleep(_SAMPLE_SECONDS)

    # The roles of AWS itself have been there for long.
    roles.sample(list(iam._roles._data), time.monotonic() - delay)
    threading.Thread(target=sample, daemon=True, name="iam-delay").start()


class History:
    """The policies of roles or of users, as they changed.

    Changes are found by looking, since the services and CloudFormation write them in many places.

    Args:
        gather: Returns the policies that a name has now, in an account.
        delay: The seconds until policies take effect.
    """

    def __init__(self, gather: _Gather, delay: float) -> None:
        self._gather = gather
        self._delay = delay
        self._changes: dict[_Name, deque[tuple[float, _Policies]]] = {}
        self._lock = threading.Lock()

    def sample(self, names: list[_Name], now: float) -> None:
        """Look for changes.

        Args:
            names: The accounts and names that there are.
            now: The time of the look, in seconds.
        """
        found = {name: self._gathered(*name) for name in names}
        with self._lock:
            self._note(found, now)

    def _gathered(self, account: str, name: str) -> _Policies:
        with responses.request_scope(account, responses.get_region()):
            return self._gather(name, account)

    def _note(self, found: Mapping[_Name, _Policies], now: float) -> None:
        # A name that is created again after its deletion starts again.
        for gone in self._changes.keys() - found.keys():
            del self._changes[gone]
        for name, policies in found.items():
            changes = self._changes.setdefault(name, deque())
            if not changes or changes[-1][1] != policies:
                changes.append((now, policies))
            # What is older than the one in effect is of no use.
            while len(changes) > 1 and changes[1][0] <= now - self._delay:
                changes.popleft()

    def policies(self, name: str, account_id: str) -> _Policies:
        """Return the policies that are in effect now, in place of MiniStack's own function."""
        due = time.monotonic() - self._delay
        with self._lock:
            changes = list(self._changes.get((account_id, name), ()))
        return next((found for at, found in reversed(changes) if at <= due), [])
