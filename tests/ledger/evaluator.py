"""An evaluator of IAM policies that is not ours: iam-simulate, run as a separate program."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
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


def decide(simulations: Sequence[Simulation]) -> list[str]:
    """Return the decision on each request: `Allowed`, or how it is denied.

    Raises:
        ValueError: The program does not know an action, a resource, or a policy's form.
    """
    rendered = [each.as_json() for each in simulations]
    decisions = _run({"simulations": rendered})["decisions"]
    errors = [
        f"{simulation.action} on {simulation.resource}: {decision['detail']}"
        for simulation, decision in zip(simulations, decisions, strict=True)
        if decision["decision"] == "error"
    ]
    if errors:
        raise ValueError("\n".join(errors))
    return [str(decision["decision"]) for decision in decisions]


def describe(actions: Sequence[str]) -> dict[str, Any]:
    """Return the service authorization reference's entries on actions; None for an unknown one."""
    return dict(_run({"actions": sorted(actions)})["descriptions"])


def _run(given: dict[str, Any]) -> dict[str, Any]:
    node = shutil.which("node") or str(_ROOT / ".venv" / "bin" / "node")
    done = subprocess.run(
        [node, _PROGRAM],
        input=json.dumps(given).replace(*_RENAMED),
        capture_output=True,
        check=True,
        cwd=_ROOT,
        text=True,
    )
    return dict(json.loads(done.stdout))
