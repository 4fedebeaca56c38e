"""The findings of scanners in the templates of stacks: cdk-nag's packs, checkov, cfn-lint."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cdk_nag
from aws_cdk import App, Stack

from tests.locked_python import locked_python
from tools import lock

ROOT = Path(__file__).resolve().parents[3]
PACKS = (
    cdk_nag.AwsSolutionsChecks,
    cdk_nag.NIST80053R5Checks,
    cdk_nag.HIPAASecurityChecks,
    cdk_nag.PCIDSS321Checks,
    cdk_nag.ServerlessChecks,
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A finding of a scanner on one resource.

    Attributes:
        rule: The rule's name.
        resource: The construct's path (cdk-nag) or the logical id (checkov, cfn-lint).
        detail: The part of the resource, for rules with several findings on it.
    """

    rule: str
    resource: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of all scanners, errors and warnings.

    Attributes:
        nag: Of all five packs together.
        checkov: Failed checks.
        cfn_lint: Of any level.
    """

    nag: list[Finding]
    checkov: list[Finding]
    cfn_lint: list[Finding]

    @property
    def by_resource(self) -> dict[str, int]:
        """The number of findings of each scanner, with each rule once for a resource."""
        scanners = {"cdk-nag": self.nag, "checkov": self.checkov, "cfn-lint": self.cfn_lint}
        return {
            scanner: len({(finding.rule, finding.resource) for finding in found})
            for scanner, found in scanners.items()
        }


def findings(stacks: Mapping[str, Stack]) -> dict[str, Findings]:
    """Synthesize the stacks' apps, and scan the stacks."""
    templates = {name: _template(stack) for name, stack in stacks.items()}
    failed = _checkov(list(templates.values()))
    linted = _cfn_lint(list(templates.values()))
    return {
        name: Findings(
            nag=sorted(_nag(stack)),
            checkov=sorted(failed[templates[name]]),
            cfn_lint=sorted(linted[templates[name]]),
        )
        for name, stack in stacks.items()
    }


def _template(stack: Stack) -> Path:
    assembly = cast("App", stack.node.root).synth()
    return Path(assembly.get_stack_artifact(stack.artifact_id).template_full_path).resolve()


def _nag(stack: Stack) -> Iterator[Finding]:
    for pack in PACKS:
        for violation in pack(stack).validate_scope(stack).violations:
            rule, _, detail = violation.rule_name.partition("[")
            for resource in violation.violating_resources:
                yield Finding(rule, resource.construct_path or "", detail.removesuffix("]"))


def _checkov(templates: Sequence[Path]) -> dict[Path, list[Finding]]:
    """Return the failed checks of each template, of one run for all, as checkov starts slowly."""
    python = locked_python(ROOT / lock.SCANNERS_LOCK, "scanners", "the scanners")
    command: list[str | Path] = [python, "-m", "checkov.main"]
    command += ["--framework", "cloudformation", "--skip-download", "--output", "json", "--quiet"]
    report = _json([*command, "--file", *templates], templates[0].parent)
    summary = cast("dict[str, int]", report["summary"])
    # What could not be read, and what was suppressed, must not look like nothing found.
    assert summary["parsing_errors"] == summary["skipped"] == 0
    assert summary["resource_count"] > 0
    results = cast("dict[str, list[dict[str, str]]]", report["results"])
    failed: dict[Path, list[Finding]] = {template: [] for template in templates}
    for check in results["failed_checks"]:
        at = Path(check["file_abs_path"]).resolve()
        failed[at].append(Finding(check["check_id"], check["resource"]))
    return failed


def _cfn_lint(templates: Sequence[Path]) -> dict[Path, list[Finding]]:
    """Return the findings of each template, of one run for all, as the rules load slowly."""
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--format", "json", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    # Each level of what is found has a bit of its own; 1 is an error of the program.
    assert done.returncode % 2 == 0, done.stderr
    findings: dict[Path, list[Finding]] = {template: [] for template in templates}
    for found in json.loads(done.stdout):
        path = found["Location"]["Path"] or []
        resource = ".".join(map(str, path[1:2]))
        at = Path(found["Filename"]).resolve()
        findings[at].append(Finding(found["Rule"]["Id"], resource, found["Message"]))
    return findings


def _json(command: list[str | Path], folder: Path) -> dict[str, object]:
    # checkov would take settings that lie where it runs; beside a template there are none.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return cast("dict[str, object]", json.loads(done.stdout))
