"""The page docs/getting-started.md, done as it reads: a clean environment, an empty home.

Only the commands that install are replaced: they would need the network. All others are run in one
shell, as a reader would. This is also the test of `cdk-braket` on a deployment.
"""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT, blocks
from tests.emulator.jobs import Json
from tests.packaging.test_wheel import build, copy_sources
from tests.packaging.users import UsersEnvironment
from tests.patience import PATIENCE

PAGE = ROOT / "docs/getting-started.md"
INSTALLED = ("git clone", "python3 -m venv", ". .venv/bin/activate", "pip install", "npm install")
SHOWN = "=== "


@dataclass(frozen=True)
class Walk:
    """The commands of the page in order, with the output of each.

    Attributes:
        outputs: The output by command; of the last call, if it is on the page more than once.
        project: The folder that `cdk-braket init` created.
        home: The user's home.
        seconds: The time of all commands.
    """

    outputs: dict[str, str]
    project: Path
    home: Path
    seconds: float


def commands() -> list[str]:
    """The commands of the page, one a line, without those that install."""
    lines = [
        line
        for block in blocks(PAGE)
        if block.language == "bash"
        for line in block.code.splitlines()
    ]
    assert [line for line in lines if line.startswith(INSTALLED)], "the page installs"
    return [line for line in lines if not line.startswith(INSTALLED)]


def script(lines: list[str]) -> str:
    """A script that runs each command, and stops at the first that fails."""
    # The change that the page describes in words, before the command that shows its effect.
    edit = "sed -i 's/steps: int = 21/steps: int = 41/' job_stack.py"
    steps: list[str] = []
    for line in lines:
        if line.startswith("cdk-braket explain"):
            steps += ["cdk-braket explain FirstJob --json > unchanged.json", edit]
            steps += ["cdk-braket explain FirstJob --json > changed.json"]
        steps += [f"printf '%s\\n' {shlex.quote(SHOWN + line)}", line]
    # References and listings of a deployed stack, which the page does not show.
    steps.insert(-2, "cdk-braket status FirstJob --json > status.json")
    steps.insert(-2, "cdk-braket jobs --stack=FirstJob --json > jobs.json")
    steps.insert(-2, "cdk-braket cost --stack=FirstJob --json > cost.json")
    return "\n".join(["set -eu", *steps])


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    wheel = build(sources, tmp_path_factory.mktemp("wheel"))
    home = tmp_path_factory.mktemp("home")
    folder = tmp_path_factory.mktemp("started") / "work"
    user = UsersEnvironment(folder, wheel, {"local", "plot"}, home)
    user.install(["pytest"])
    # What `npm install` in the project does, done before: the CDK CLI in the folder above.
    user.npm_install(folder, "aws-cdk")
    npx = folder / "programs" / "npx"
    npx.write_text('#!/bin/sh\nexec "$@"\n')
    npx.chmod(0o755)
    started = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", script(commands())],
        cwd=folder,
        env=user.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    seconds = time.monotonic() - started
    user.try_("cdk-braket-local", "down", folder=folder / "first-job")
    assert done.returncode == 0, done.stdout
    parts = re.split(rf"^{SHOWN}(.*)\n", done.stdout, flags=re.MULTILINE)
    outputs = dict(zip(parts[1::2], parts[2::2], strict=True))
    return Walk(outputs, folder / "first-job", home, seconds)


def saved(walk: Walk, name: str) -> Json:
    return json.loads((walk.project / name).read_text(encoding="utf-8"))


def test_every_command_of_the_page_works(
    walk: Walk, record_property: Callable[[str, object], None]
) -> None:
    # In the report of a run: a slow machine is no error.
    record_property("seconds without the installation", round(walk.seconds))
    assert list(walk.outputs) == commands()


def test_the_tests_of_the_project_pass(walk: Walk) -> None:
    assert " passed" in walk.outputs["python -m pytest"]


def test_doctor_finds_nothing_missing(walk: Walk) -> None:
    found = walk.outputs["cdk-braket doctor"]
    states = dict(re.findall(r"^(.+?)  +(ok|missing|not checked) ", found, re.MULTILINE))
    assert states == {
        "Node": "ok",
        "CDK CLI": "ok",
        "endpoint and credentials": "ok",
        "region": "ok",
        "bootstrap": "ok",
        "service-linked role": "ok",
        "quota": "not checked",
        "user agreement": "not checked",
    }


def test_the_user_sees_the_log_the_result_and_the_plot(walk: Walk) -> None:
    log = walk.outputs["cdk-braket logs FirstJob/Scan --follow"]
    assert "the lowest value is -1.000" in log
    assert "COMPLETED after" in log
    result = json.loads(walk.outputs["cdk-braket results FirstJob/Scan"])
    assert len(result["values"]) == 21
    assert min(result["values"]) == pytest.approx(-1)
    drawn = walk.outputs["cdk-braket plot FirstJob/Scan"]
    assert re.search(r"[\u2801-\u28ff]", drawn), "braille dots"
    assert (walk.project / "scan.png").read_bytes().startswith(b"\x89PNG")


def test_a_deployed_job_is_found_by_its_stack(walk: Walk) -> None:
    [job] = saved(walk, "jobs.json")
    assert saved(walk, "status.json")["arn"] == job["arn"]
    assert [each["arn"] for each in saved(walk, "cost.json")["jobs"]] == [job["arn"]]


def test_explain_compares_the_app_with_the_deployed_stack(walk: Walk) -> None:
    [unchanged] = saved(walk, "unchanged.json")
    assert (unchanged["path"], unchanged["action"]) == ("FirstJob/Scan", "keep")
    [changed] = saved(walk, "changed.json")
    assert changed["changes"] == [{"path": "HyperParameters.steps", "before": "21", "after": "41"}]
    shown = walk.outputs["cdk-braket explain FirstJob"]
    [example] = [block.code for block in blocks(PAGE) if block.language == "text"]
    assert example.strip() in shown


def test_the_page_names_each_file_of_the_project(walk: Walk) -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for name in re.findall(r"`([^`]+)`", " ".join(rows)):
        assert (walk.project / name).is_file(), name


def test_nothing_is_written_to_the_home_but_caches(walk: Walk) -> None:
    names = {path.name for path in walk.home.iterdir()}
    assert names <= {".cdk", ".cache", ".config", ".npm"}, names
