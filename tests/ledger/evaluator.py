"""An evaluator of IAM policies that is not ours: iam-simulate, run as a separate program."""

import atexit
import json
import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

_PROGRAM: Final = Path(__file__).with_name("evaluator.mjs")
_ROOT: Final = Path(__file__).resolve().parents[2]

# The evaluator knows no encryption contexts. Their key gets the name of another one of ARNs, which
# such calls do not have.
_RENAMED: Final = ("kms:EncryptionContext:aws:logs:arn", "aws:SourceArn")


@dataclass(frozen=True, slots=True)
class Simulation:
    """One request, with all policies that decide on it.

    Attributes:
        principal: ARN of a role, or a service's name.
        action: The action.
        resource: ARN of the resource, or `*`.
        account: The resource's account.
        context: The condition keys that AWS supplies.
        identity: Documents of the principal's policies.
        resource_policy: The resource's policy; None when it has none.
    """

    principal: str
    action: str
    resource: str
    account: str
    context: dict[str, str] = field(default_factory=dict)
    identity: tuple[dict[str, Any], ...] = ()
    resource_policy: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The input of the program."""
        rendered: dict[str, Any] = {
            "request": {
                "principal": self.principal,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.account},
                "contextVariables": self.context,
            },
            "identityPolicies": [
                {"name": f"p{number}", "policy": document}
                for number, document in enumerate(self.identity)
            ],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        if self.resource_policy is not None:
            rendered["resourcePolicy"] = self.resource_policy
        return rendered


class _Evaluator:
    """The program, which is started once and answers one question a line."""

    def __init__(self) -> None:
        node = shutil.which("node") or str(_ROOT / ".venv" / "bin" / "node")
        self._process = subprocess.Popen(
            [node, _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, text=True
        )
        self._answers: dict[str, Any] = {}
        atexit.register(self._stop)

    def query(self, questions: Sequence[dict[str, Any]]) -> list[Any]:
        """Return the answers. A repeated question is answered from memory."""
        lines = [json.dumps(each).replace(*_RENAMED) for each in questions]
        new = [line for line in dict.fromkeys(lines) if line not in self._answers]
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        # One at a time: neither side waits for the other while a pipe is full.
        for line in new:
            requests.write(f"{line}\n")
            requests.flush()
            answer = answers.readline()
            if not answer:
                raise ChildProcessError(f"the evaluator ended: {self._process.wait()}")
            self._answers[line] = json.loads(answer)
        return [self._answers[line] for line in lines]

    def _stop(self) -> None:
        self._process.communicate()


@cache
def _evaluator() -> _Evaluator:
    return _Evaluator()


def decide(simulations: Sequence[Simulation]) -> list[str]:
    """Return the decision on each request: `Allowed`, or how it is denied.

    Raises:
        ValueError: The program does not know an action, a resource, or a policy's form.
    """
    decisions = _evaluator().query([{"simulation": each.as_json()} for each in simulations])
    errors = [
        f"{simulation.action} on {simulation.resource}: {decision['detail']}"
        for simulation, decision in zip(simulations, decisions, strict=True)
        if decision["decision"] == "error"
    ]
    if errors:
        raise ValueError("\n".join(errors))
    return [str(decision["decision"]) for decision in decisions]


def describe(actions: Collection[str]) -> dict[str, Any]:
    """Return the service authorization reference's entries on actions; None for an unknown one."""
    names = sorted(actions)
    return dict(zip(names, _evaluator().query([{"action": name} for name in names]), strict=True))
