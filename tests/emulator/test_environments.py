"""The environment of a job is that of its image, or the job is refused with the reason."""

import dataclasses
import fcntl
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.braket import environments, images
from cdk_braket_local.braket.environments import Environment, NotBuiltError
from cdk_braket_local.braket.images import Image
from cdk_braket_local.control.instance import LocalAws
from cdk_braket_local.ministack_adapter.environment import inherited
from tests.emulator.jobs import Jobs, Json
from tests.emulator.wheels import write_wheel
from tests.patience import until

REGISTRY = f"{images.REGISTRY}.dkr.ecr.us-east-1.amazonaws.com"
OWN = "000000000000.dkr.ecr.us-east-1.amazonaws.com/mine:1"


@pytest.fixture(scope="module")
def strict_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS as it is by default: it accepts no stand-ins."""
    with LocalAws.start(tmp_path_factory.mktemp("strict-aws")) as aws:
        yield aws


@pytest.fixture(scope="module")
def jobs(strict_aws: LocalAws) -> Jobs:
    return Jobs(strict_aws)


@pytest.fixture(scope="module")
def lenient(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


LOOK = """
import importlib.util, subprocess, sys
import numpy, scipy, boto3, braket.aws

def main():
    for name in {names}:
        print(name, importlib.util.find_spec(name) is not None)
    code = "import sys; print(sys.prefix)"
    print("python", subprocess.run(["python", "-c", code], capture_output=True, text=True).stdout)
"""


def test_a_job_sees_the_packages_of_its_image_and_no_others(jobs: Jobs) -> None:
    here = ["pytest", "cdk_braket", "cdk_braket_local", "ministack", "aws_cdk", "hypothesis"]
    job = jobs.run(LOOK.replace("{names}", repr(here)))
    assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
    seen = dict(line.split(" ", 1) for line in jobs.log(job).splitlines() if " " in line)
    assert [seen[name] for name in here] == ["False"] * len(here)
    assert seen["python"] != sys.prefix
    note = jobs.notes(job)[0]
    assert note.startswith("environment: packages of this machine that are in Amazon Braket's base")
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in note


def _image(uri: str) -> Json:
    return {"containerImage": {"uri": uri}}


REFUSED: dict[str, tuple[Json, str]] = {
    "own image": ({"algorithmSpecification": _image(OWN)}, f"got {OWN}"),
    "GPU": (
        {"algorithmSpecification": _image(f"{REGISTRY}/amazon-braket-cudaq-jobs:latest")},
        "needs a GPU",
    ),
    "instances": (
        {
            "instanceConfig": {
                "instanceType": "ml.m5.large",
                "volumeSizeInGb": 30,
                "instanceCount": 2,
            }
        },
        "expected 1, got 2",
    ),
    "data parallel": (
        {"hyperParameters": {"sagemaker_distributed_dataparallel_enabled": "true"}},
        "data parallelism",
    ),
}


def _request(jobs: Jobs, changes: Json, script: str = "def main(): print('ran')") -> Json:
    request = jobs.request(script)
    specification = request["algorithmSpecification"] | changes.get("algorithmSpecification", {})
    return request | changes | {"algorithmSpecification": specification}


@pytest.mark.parametrize("name", REFUSED)
def test_a_job_without_its_environment_is_refused_before_it_starts(jobs: Jobs, name: str) -> None:
    changes, reason = REFUSED[name]
    with pytest.raises(ClientError) as refusal:
        jobs.braket.create_job(**_request(jobs, changes))
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert reason in error["Message"]
    assert "CDK_BRAKET_LOCAL_IMAGE_STANDIN=1" in error["Message"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_stand_in_is_accepted_on_demand_and_has_a_note(lenient: Jobs, name: str) -> None:
    changes, reason = REFUSED[name]
    job = lenient.over(lenient.braket.create_job(**_request(lenient, changes))["jobArn"])
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert lenient.log(job) == "ran"
    stand_in, environment, *_ = lenient.notes(job)
    assert stand_in.startswith("stand-in: ")
    assert reason in stand_in
    assert environment.startswith("environment: ")


def test_other_tags_and_regions_of_the_images_are_known() -> None:
    for tag in (":latest", ":1.0-cpu-py312-ubuntu22.04", "@sha256:" + "0" * 64):
        uri = f"{images.REGISTRY}.dkr.ecr.eu-north-1.amazonaws.com/amazon-braket-base-jobs{tag}"
        assert images.image_of(uri) is images.BASE
    assert images.image_of(None) is images.BASE


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("import numpy, os, algo", []),
        ("import pennylane as qml", ["pennylane"]),
        ("def f():\n    from pandas import DataFrame", ["pandas"]),
        ("from sklearn.svm import SVC", ["sklearn"]),
        ("import not_in_the_image", []),
        ("from . import pennylane", []),
        ("cloudpickle.loads(b'pandas.core')", ["pandas"]),
        ("def broken(:", []),
    ],
)
def test_the_modules_that_this_machine_lacks(
    tmp_path: Path, script: str, missing: list[str]
) -> None:
    environment = environments.shared(images.BASE, tmp_path / "environments")
    code = tmp_path / "code"
    code.mkdir()
    (code / "algo.py").write_text(script)
    lacking = set(environments.missing_modules(images.BASE, code, environment))
    # Some of them may be on this machine.
    assert lacking <= set(missing)
    if "pennylane" in missing:
        assert lacking == {"pennylane"}


NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["import torch"]},
        {"cell_type": "code", "source": ["if 1:\n", "    !ls\n", "import pennylane as qml"]},
        {"cell_type": "code", "source": "def broken(:"},
        {"cell_type": "code", "source": [None, 5]},
        {"cell_type": "code"},
        None,
    ]
}


@pytest.mark.parametrize(
    ("text", "missing"), [(json.dumps(NOTEBOOK), ["pennylane"]), ("[]", []), ("no JSON", [])]
)
def test_the_cells_of_a_notebook_are_read(tmp_path: Path, text: str, missing: list[str]) -> None:
    environment = environments.shared(images.BASE, tmp_path / "environments")
    code = tmp_path / "code"
    code.mkdir()
    (code / "notebook.ipynb").write_text(text)
    assert environments.missing_modules(images.BASE, code, environment) == missing


def _wheel(folder: Path, name: str) -> str:
    """Build a wheel of one module; return a requirement for it."""
    return f"{name} @ {write_wheel(folder, name).as_uri()}"


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Image:
    """An image with one package, from a file."""
    pins = [_wheel(tmp_path, "only_in_image")]
    monkeypatch.setattr(Image, "pins", property(lambda _: pins))
    return Image("base", "1.0", "cpu")


def _variables(tmp_path: Path) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": programs, "HOME": str(tmp_path), "UV_OFFLINE": "1"}


def test_an_environment_is_built_once_and_kept(pinned: Image, tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", list[str]()
    first = environments.built(pinned, cache, _variables(tmp_path), said.append)
    command = [str(first.python), "-c", "import only_in_image; print(only_in_image.__file__)"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(str(cache))
    assert environments.built(pinned, cache, {}, said.append).folder == first.folder
    (line,) = said
    assert "built with uv" in line
    assert "built with uv" in first.description


def test_a_build_that_was_interrupted_is_done_again(pinned: Image, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = environments.built(pinned, cache, _variables(tmp_path), lambda _: None)
    (first.folder / "cdk-braket-local.json").unlink()
    again = environments.built(pinned, cache, _variables(tmp_path), lambda _: None)
    assert again.python.exists()


def test_an_environment_whose_python_was_removed_is_built_again(
    pinned: Image, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = environments.built(pinned, cache, _variables(tmp_path), lambda _: None)
    first.python.unlink()
    first.python.symlink_to(tmp_path / "removed")
    environments.built(pinned, cache, _variables(tmp_path), lambda _: None)
    assert first.python.exists()


UV = """#!/bin/sh
pwd > {folder}/working-directory
touch {folder}/started
while [ ! -e {folder}/go-on ]; do sleep 0.05; done
exit 1
"""


def test_a_second_job_waits_for_the_first(pinned: Image, tmp_path: Path) -> None:
    cache, program = tmp_path / "cache", tmp_path / "uv"
    program.write_text(UV.format(folder=tmp_path))
    program.chmod(0o700)
    variables, said = {"PATH": f"{tmp_path}:/usr/bin:/bin"}, list[str]()

    def build() -> None:
        with pytest.raises(NotBuiltError):
            environments.built(pinned, cache, variables, said.append)

    first, second = threading.Thread(target=build), threading.Thread(target=build)
    first.start()
    until((tmp_path / "started").exists, bool)
    # Not in a temporary folder, whose parents can have settings of other users for uv.
    assert (tmp_path / "working-directory").read_text().strip() == str(cache)
    second.start()
    until(lambda: len(said), lambda count: count == 2)
    assert "waiting for another job" in said[1]
    (tmp_path / "go-on").touch()
    first.join()
    second.join()


def test_the_lock_is_held_until_uv_ends(pinned: Image, tmp_path: Path) -> None:
    """If a job is killed, its uv may still write into the environment."""
    cache, program = tmp_path / "cache", tmp_path / "uv"
    # It leaves a process behind, as a job that is killed leaves uv.
    program.write_text(
        f"#!/bin/sh\n(while [ ! -e {tmp_path}/go-on ]; do sleep 0.05; done) >/dev/null 2>&1 &\n"
        "exit 1\n"
    )
    program.chmod(0o700)
    with pytest.raises(NotBuiltError):
        environments.built(pinned, cache, {"PATH": f"{tmp_path}:/usr/bin:/bin"}, lambda _: None)
    (path,) = cache.glob("*.lock")
    with path.open("a") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A job that is stopped does not wait for it.
        with pytest.raises(NotBuiltError, match="was stopped"):
            environments.built(pinned, cache, {}, lambda _: None, lambda: True)
        (tmp_path / "go-on").touch()
        fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/cache"}, "/cache"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}, "/home/me/.cache"),
        ({"XDG_CACHE_HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_the_cache_is_that_of_the_user(variables: dict[str, str], folder: str | None) -> None:
    expected = folder and Path(folder, "cdk-braket-local", "environments")
    # As the server gets them from the user's shell.
    assert environments.cache_folder(inherited(variables)) == expected


def test_without_a_cache_the_reason_has_the_variables(pinned: Image, tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match="Set XDG_CACHE_HOME or HOME to an absolute path"):
        environments.built(pinned, None, _variables(tmp_path), lambda _: None)


def test_the_cache_of_another_user_is_refused(
    pinned: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(NotBuiltError, match="belongs to another user"):
        environments.built(pinned, tmp_path, _variables(tmp_path), lambda _: None)


def test_a_file_in_the_place_of_the_cache_is_named(pinned: Image, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotBuiltError, match="file cannot hold its environment"):
        environments.built(pinned, file, _variables(tmp_path), lambda _: None)


def test_without_uv_the_reason_has_the_way_to_install_it(pinned: Image, tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match="pip install uv"):
        environments.built(pinned, tmp_path / "cache", {"PATH": "/nowhere"}, lambda _: None)


def test_a_failed_build_has_the_reason_of_uv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pins = [f"not-there @ {(tmp_path / 'not_there-1-py3-none-any.whl').as_uri()}"]
    monkeypatch.setattr(Image, "pins", property(lambda _: pins))
    with pytest.raises(NotBuiltError, match=r"not[-_]there"):
        environments.built(images.BASE, tmp_path / "cache", _variables(tmp_path), lambda _: None)


WITH_REQUIREMENT = """
import os
import only_here

def main():
    print(os.environ.keys() & {"PIP_NO_INDEX", "PIP_FIND_LINKS"})
"""


def test_requirements_come_from_the_index_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path, "only_here")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with LocalAws.start(tmp_path / "aws") as aws:
        jobs = Jobs(aws)
        job = jobs.run({"algo.py": WITH_REQUIREMENT, "requirements.txt": "only_here\n"})
        assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
        # The script does not see the settings, which may contain credentials.
        assert jobs.log(job).splitlines()[-1] == "set()"


def test_the_default_role_runs_a_job_too(strict_aws: LocalAws, jobs: Jobs) -> None:
    iam = boto3.client("iam", **strict_aws.client_settings)
    (role,) = iam.list_roles(PathPrefix="/service-role/")["Roles"]
    request = jobs.request("def main(): print('ran')", roleArn=role["Arn"])
    job = jobs.over(jobs.braket.create_job(**request, tags={"id": uuid.uuid4().hex})["jobArn"])
    assert job["status"] == "COMPLETED", job.get("failureReason")


# A uv whose environments have the interpreter of its option --python.
FAKE_UV = """#!/bin/sh
[ "$1" = venv ] && mkdir -p "$5/bin" && ln -s "$4" "$5/bin/python"
exit 0
"""


def _with_python(folder: Path, version: tuple[int, int], *, runs: bool) -> dict[str, str]:
    """Write a fake uv, and a fake interpreter; return the variables that find both."""
    program, python = folder / "uv", folder / f"python{version[0]}.{version[1]}"
    program.write_text(FAKE_UV)
    python.write_text(f'#!/bin/sh\necho "{version}"\n' if runs else "#!/bin/sh\nexit 127\n")
    for each in (program, python):
        each.chmod(0o700)
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}


OTHER = (3, 12) if sys.version_info[:2] != (3, 12) else (3, 13)


@pytest.fixture
def other(pinned: Image) -> Image:
    """The image, with another Python than this one."""
    return dataclasses.replace(pinned, python=OTHER)


def _built(
    image: Image, folder: Path, variables: dict[str, str], *, pickled: bool = False
) -> Environment:
    cache = folder / "cache"
    return environments.built(image, cache, variables, lambda _: None, needs_our_python=pickled)


def test_an_environment_has_the_python_of_its_image_if_it_is_here(
    other: Image, tmp_path: Path
) -> None:
    built = _built(other, tmp_path, _with_python(tmp_path, OTHER, runs=True))
    name = f"python{OTHER[0]}.{OTHER[1]}"
    assert built.python.readlink() == tmp_path / name
    assert name in built.site_packages.parts
    assert built.description.endswith(f"Python {OTHER[0]}.{OTHER[1]}")


def test_a_pickled_function_keeps_the_python_of_its_caller(other: Image, tmp_path: Path) -> None:
    variables = _with_python(tmp_path, OTHER, runs=True)
    built = _built(other, tmp_path, variables, pickled=True)
    assert built.has_our_python
    assert built.python.readlink() != tmp_path / f"python{OTHER[0]}.{OTHER[1]}"
    assert _built(other, tmp_path, variables).folder != built.folder


def test_a_program_that_is_no_interpreter_is_not_used(other: Image, tmp_path: Path) -> None:
    built = _built(other, tmp_path, _with_python(tmp_path, OTHER, runs=False))
    assert built.has_our_python
    assert built.description.endswith(f"(on AWS {OTHER[0]}.{OTHER[1]})")


@pytest.mark.parametrize(
    ("text", "is_pickled"), [("cloudpickle.loads(b'')", True), ("import cloudpickle", False)]
)
def test_the_functions_of_the_sdks_decorator_are_known(
    tmp_path: Path, text: str, *, is_pickled: bool
) -> None:
    (tmp_path / "entry_point.py").write_text(text)
    assert environments.has_pickle(tmp_path) is is_pickled
