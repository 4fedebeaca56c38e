"""The wheel, as users install it: built, installed away from the checkout, and used.

The clean environment contains only the wheel. It finds the wheel's dependencies in this
environment, by one line in a .pth file: installing them again would test pip, and need minutes. The
.pth files of that folder are not read, so the checkout's editable install cannot be imported; a
test checks this.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import length

ROOT = Path(__file__).resolve().parents[2]
# The cache saves jsii from unpacking the library anew.
KEPT = ("PATH", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")
BUILT_FROM = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "constructs")

APP = """
import sys
from pathlib import Path

from aws_cdk import App, Stack
from cdk_braket import AlgorithmScript, Device, HybridJob

Path("algorithm.py").write_text("def main():\\n    pass\\n")
app = App(outdir=sys.argv[1])
HybridJob(
    Stack(app, "Stack"),
    "Job",
    algorithm=AlgorithmScript.from_asset("algorithm.py", entry_point="algorithm:main"),
    device=Device.local("braket/default"),
)
app.synth()
"""

WHERE = """
import json, sys
import cdk_braket, cdk_braket_local
modules = [cdk_braket.__file__, cdk_braket_local.__file__]
print(json.dumps({"modules": modules, "path": sys.path}))
"""


def build(sources: Path, wheels: Path) -> Path:
    """Build the wheel of a tree with the backend that pyproject.toml names."""
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, sources],
        cwd=sources,
    )
    (wheel,) = wheels.glob("*.whl")
    return wheel


def run(command: Sequence[str | Path], *, cwd: Path) -> str:
    """Run a command in an environment without access to the checkout."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**kept, "HOME": str(cwd), "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def copy_sources(directory: Path) -> Path:
    """Copy the inputs of a wheel into a folder; a build may leave files behind."""
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, directory / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, directory / name)
    return directory


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a clean environment with the wheel in it."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run(["uv", "pip", "install", "--no-index", "--no-deps", "--python", python, wheel], cwd=home)
    show_dependencies(home)
    return python


def show_dependencies(home: Path) -> None:
    """Let an environment find the packages of this one."""
    (packages,) = home.glob("lib/python3*/site-packages")
    (packages / "what-the-wheel-depends-on.pth").write_text(sysconfig.get_path("purelib") + "\n")


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with pip in it."""
    home = tmp_path_factory.mktemp("with-pip")
    venv.create(home, with_pip=True, symlinks=True)
    show_dependencies(home)
    return home


@pytest.fixture(scope="module")
def repository(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with the inputs of a wheel."""
    root = tmp_path_factory.mktemp("repository") / "cdk-braket"
    shutil.copytree(sources, root)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null")
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-mall"]):
        run(["git", *command], cwd=root)
    return root


def test_it_contains_the_handler_the_type_marker_and_the_license(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    handler = {
        f"{path.relative_to(ROOT / 'constructs')}"
        for path in (ROOT / "constructs/cdk_braket/_lambda").rglob("*.py")
    }
    assert handler <= set(names)
    packages = ("cdk_braket", "cdk_braket_cli", "cdk_braket_client", "cdk_braket_local")
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_holds_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "cdk_braket",
        "cdk_braket_cli",
        "cdk_braket_client",
        "cdk_braket_local",
    }


def test_it_is_built_to_the_same_bytes_on_every_machine(
    sources: Path, wheel: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(sources, elsewhere)
    stray = elsewhere / "constructs/cdk_braket/__pycache__/old.cpython-311.pyc"
    stray.parent.mkdir()
    stray.write_bytes(b"left by a run")
    long_ago = time.time() - 1_000_000
    for path in elsewhere.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert build(elsewhere, tmp_path / "wheel").read_bytes() == wheel.read_bytes()


def test_the_wheel_is_imported_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    found = json.loads(run([installed, "-c", WHERE], cwd=tmp_path))
    environment = str(installed.parent.parent)
    assert all(file.startswith(environment) for file in found["modules"])
    assert str(ROOT / "constructs") not in found["path"]


def test_a_stack_synthesizes_with_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    run([installed, "app.py", "out"], cwd=tmp_path)
    template = json.loads((tmp_path / "out" / "Stack.template.json").read_text())
    types = [resource["Type"] for resource in template["Resources"].values()]
    assert types.count("Custom::BraketHybridJob") == 1
    # The function's code came out of the wheel.
    (asset,) = (tmp_path / "out").glob("asset.*/braket_jobs/handler/index.py")
    assert (
        asset.read_bytes()
        == (ROOT / "constructs/cdk_braket/_lambda/braket_jobs/handler/index.py").read_bytes()
    )


ASK = """
from cdk_braket_client.installation import install_command
print(install_command("local"))
"""
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALLS = re.findall(r'^pip install "(.*cdk-braket\[local\].*)"$', README, re.MULTILINE)


def test_the_readme_installs_from_a_clone_and_from_a_repository() -> None:
    assert [("../" in each, "git+" in each) for each in INSTALLS] == [(True, False), (False, True)]


@pytest.mark.parametrize("requirement", length.first(1, INSTALLS))
def test_the_commands_of_the_readme_and_of_the_extra_install_it(
    requirement: str, repository: Path, with_pip: Path
) -> None:
    # Older versions of pip want a host in such an address.
    here = requirement.replace("https://HOST/cdk-braket.git", f"file://localhost{repository}")
    project = repository.parent / "project"
    project.mkdir(exist_ok=True)
    # The dependencies are there already, and so is the build's backend.
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall"]
    pip: list[str | Path] = [with_pip / "bin" / "pip", "install", *offline]
    run([*pip, here], cwd=project)
    assert run([with_pip / "bin" / "cdk-braket-local", "--help"], cwd=project)
    command = run([with_pip / "bin" / "python", "-c", ASK], cwd=project).strip()
    found = re.fullmatch(r'pip install "(cdk-braket\[local\] @ .+)"', command)
    assert found is not None, command
    own = found[1]
    assert ("git+" in own) == ("git+" in requirement)
    run([*pip, own], cwd=project)


def test_an_installation_from_an_index_names_the_index(installed: Path, tmp_path: Path) -> None:
    (record,) = installed.parent.parent.glob("lib/python3*/site-packages/*/direct_url.json")
    text = record.read_text(encoding="utf-8")
    record.unlink()
    try:
        said = run([installed, "-c", ASK], cwd=tmp_path)
    finally:
        record.write_text(text, encoding="utf-8")
    assert said == 'pip install "cdk-braket[local]"\n'


@pytest.mark.parametrize("name", ["cdk-braket", "cdk-braket-local"])
def test_its_command_starts(installed: Path, tmp_path: Path, name: str) -> None:
    said = run([installed.parent / name, "--help"], cwd=tmp_path)
    assert said.lower().startswith(f"usage: {name} ")
