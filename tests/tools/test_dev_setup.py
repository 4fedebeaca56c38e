"""`./dev` sets a checkout up: from nothing, again, after changes, after accidents."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.tools import miniature
from tools import setup


@pytest.fixture
def checkout(tmp_path: Path) -> miniature.Miniature:
    return miniature.create(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> miniature.Miniature:
    """A checkout that was set up; tests only read it."""
    checkout = miniature.create(tmp_path_factory.mktemp("ready"))
    done = checkout.dev("setup", PIP_USER="1", PIP_PREFIX=str(checkout.home))
    assert done.returncode == 0, done.stderr
    return checkout


def failed_with_one_line(run: subprocess.CompletedProcess[str]) -> str:
    """Return the last line, after the lines about the progress; there is no traceback."""
    assert run.returncode == 1
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    *progress, line = run.stderr.splitlines()
    assert all(said.startswith(("dev: Setting", "dev:   ")) for said in progress), run.stderr
    assert line.startswith("dev: ")
    return line


def test_set_up_leaves_the_home_as_empty_as_it_was(ready: miniature.Miniature) -> None:
    assert list(ready.home.iterdir()) == []


def test_the_second_run_does_nothing_and_prints_nothing(ready: miniature.Miniature) -> None:
    log = ready.root / ".cache" / "set-up.log"
    before = log.stat().st_mtime_ns
    again = ready.dev("test")
    assert (again.returncode, again.stderr) == (0, "")
    assert log.stat().st_mtime_ns == before


def test_arguments_reach_pytest_in_the_checkout_and_its_exit_code_comes_back(
    ready: miniature.Miniature,
) -> None:
    run = ready.dev("test", "-k", "two words", "--", "-x", EXIT_WITH="5")
    assert run.returncode == 5
    assert json.loads(run.stdout) == {
        "arguments": ["-k", "two words", "--", "-x"],
        "prefix": str(ready.root / ".venv"),
        "cwd": str(ready.root),
        "long": "0",
    }


@pytest.mark.parametrize(("arguments", "passed"), [([], []), (["--cov"], ["--cov"])])
def test_long_runs_the_whole_suite_with_the_random_tests_in_full(
    ready: miniature.Miniature, arguments: list[str], passed: list[str]
) -> None:
    called = json.loads(ready.dev("test", "--long", *arguments).stdout)
    assert called["long"] == "1"
    assert "--dist=loadfile" in called["arguments"]
    assert [word for word in called["arguments"] if word in {"--long", "--cov"}] == passed


def test_variables_for_other_pythons_have_no_effect(
    ready: miniature.Miniature, tmp_path: Path
) -> None:
    (tmp_path / "pytest.py").write_text("raise SystemExit('the wrong one')")
    run = ready.dev("test", PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1")
    assert run.returncode == 0, run.stderr


def test_an_active_virtual_environment_is_not_the_base_of_ours(
    ready: miniature.Miniature,
) -> None:
    # DEV_PYTHON of these tests is the virtual environment's python that runs them.
    made_of = (ready.root / ".venv" / "pyvenv.cfg").read_text()
    assert str(miniature.ROOT) not in made_of


def test_a_changed_lock_is_applied_and_removed_packages_are_uninstalled(
    checkout: miniature.Miniature,
) -> None:
    checkout.build("extra", "1.0", {"extra.py": ""})
    checkout.lock(("mini", "1.0"), ("extra", "1.0"))
    assert checkout.dev("setup").returncode == 0
    assert "extra-1.0" in checkout.installed()
    marker = checkout.root / ".venv" / "was-here"
    marker.touch()
    npm = checkout.root / "node_modules" / ".set-up"
    npm_was_made = npm.stat().st_mtime_ns

    checkout.build("mini", "2.0", {"pytest.py": "print('two')", "bin/npm": "#!/bin/sh\nexit 1\n"})
    checkout.lock(("mini", "2.0"))
    run = checkout.dev("test")

    assert (run.returncode, run.stdout) == (0, "two\n"), run.stderr
    assert [name for name in checkout.installed() if name.startswith(("extra", "mini"))] == [
        "mini-2.0"
    ]
    assert marker.exists(), "a changed lock does not cost a whole new environment"
    assert npm.stat().st_mtime_ns == npm_was_made, "its own lock is the same"


# Below, other locks are refused in one line.
@pytest.mark.long
def test_a_lock_with_wrong_hashes_is_one_line_and_the_fixed_one_works(
    checkout: miniature.Miniature,
) -> None:
    checkout.lock(("mini", "1.0"), broken=True)
    line = failed_with_one_line(checkout.dev("setup"))
    assert line == (
        "dev: requirements-dev.lock is broken: mini==1.0 does not match its hashes. "
        "Details: .cache/set-up.log"
    )
    assert "Hash mismatch" in (checkout.root / ".cache" / "set-up.log").read_text()
    checkout.lock(("mini", "1.0"))
    assert checkout.dev("setup").returncode == 0


# Other faults of a lock are in the brief run.
@pytest.mark.long
def test_a_lock_that_cannot_be_applied_changes_no_installed_package(
    checkout: miniature.Miniature,
) -> None:
    assert checkout.dev("setup").returncode == 0
    checkout.build("mini", "2.0", {"pytest.py": "print('two')"})
    checkout.lock(("mini", "2.0"), broken=True)
    failed_with_one_line(checkout.dev("test"))
    checkout.lock(("mini", "1.0"))
    back = checkout.dev("test")
    assert (back.returncode, back.stderr) == (0, "")


# Other faults of a lock are in the brief run.
@pytest.mark.long
def test_an_update_that_fails_half_way_is_not_built_upon(checkout: miniature.Miniature) -> None:
    assert checkout.dev("setup").returncode == 0
    marker = checkout.root / ".venv" / "was-here"
    marker.touch()
    backend = checkout.root / "backend.py"
    good = backend.read_text()
    backend.write_text("def build_editable(*_): raise SystemExit('half way')")
    project = checkout.root / "pyproject.toml"
    project.write_text(project.read_text() + 'description = "changed"\n')
    failed_with_one_line(checkout.dev("setup"))
    backend.write_text(good)
    assert checkout.dev("test").returncode == 0
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mini==1.0\n", "a package has no hash"),
        ("<<<<<<< HEAD\n", "it cannot be read"),
    ],
)
def test_a_lock_that_is_not_one_is_one_line(
    checkout: miniature.Miniature, text: str, said: str
) -> None:
    lock = checkout.root / "requirements-dev.lock"
    lock.write_text(lock.read_text() + text)
    line = failed_with_one_line(checkout.dev("setup"))
    assert line.startswith(f"dev: requirements-dev.lock is broken: {said}")


def test_a_lock_without_uv_is_one_line(checkout: miniature.Miniature) -> None:
    (checkout.root / "requirements-dev.lock").write_text("")
    line = failed_with_one_line(checkout.dev("setup"))
    assert line.startswith("dev: requirements-dev.lock is broken: it does not name uv")


def test_a_package_that_no_index_has_is_one_line(checkout: miniature.Miniature) -> None:
    assert checkout.dev("setup").returncode == 0
    lock = checkout.root / "requirements-dev.lock"
    lock.write_text(f"{lock.read_text()}other==1.0 --hash=sha256:{'0' * 64}\n")
    line = failed_with_one_line(checkout.dev("setup"))
    assert line.startswith("dev: No package index that can be reached has other==1.0; this")


def test_uv_uses_the_index_in_the_configuration_file_of_pip(checkout: miniature.Miniature) -> None:
    settings = checkout.home / "pip.conf"
    settings.write_text(
        "[global]\nno-index = true\nfind-links = /nowhere\n"
        f"[install]\nfind-links = {checkout.wheels}\n"
    )
    environment = checkout.environment(PIP_CONFIG_FILE=str(settings))
    del environment["PIP_NO_INDEX"], environment["PIP_FIND_LINKS"]
    done = checkout.dev("setup", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "mini-1.0" in checkout.installed()


# The other tests have pip.
@pytest.mark.long
def test_a_python_without_pip_is_enough(
    checkout: miniature.Miniature, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    base = os.path.realpath(sys.executable)
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] && exit 1\nexec {base} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(setup, "_base_python", lambda: str(python))
    for name, value in checkout.environment().items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    setup.set_up(setup.Checkout(checkout.root), said.append)
    assert "mini-1.0" in checkout.installed(), said


@pytest.mark.parametrize(
    ("log", "size"),
    [
        ("Downloading numpy (16.1MiB)\nDownloading mypy (14.7MiB)\n Downloaded mypy\n", 14.7),
        ("Resolved 1 package in 1ms\n", 0),
    ],
)
def test_the_size_of_downloads_is_read_from_uvs_log(log: str, size: float) -> None:
    assert setup.downloaded_mebibytes(log) == pytest.approx(size)


@pytest.mark.parametrize(
    ("retries", "said"),
    [
        ("1", "The package registry cannot be reached, and this set-up needs it."),
        # Without retries, pip does not tell an index that is silent from one that lacks a package.
        ("0", "No package index that can be reached has uv==1.0; this set-up needs one."),
    ],
)
def test_no_network_is_one_line(checkout: miniature.Miniature, retries: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nobody_there = f"http://127.0.0.1:{port}/simple"
    environment = checkout.environment(PIP_INDEX_URL=nobody_there, PIP_RETRIES=retries)
    del environment["PIP_NO_INDEX"], environment["PIP_FIND_LINKS"]
    line = failed_with_one_line(checkout.dev("setup", environment=environment))
    assert line == f"dev: {said} Details: .cache/set-up.log"


def test_no_network_for_uv_is_the_same_line(checkout: miniature.Miniature) -> None:
    assert checkout.dev("setup").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nobody_there = f"http://127.0.0.1:{port}/simple"
    environment = checkout.environment(PIP_INDEX_URL=nobody_there, PIP_RETRIES="0")
    del environment["PIP_NO_INDEX"], environment["PIP_FIND_LINKS"]
    checkout.build("extra", "1.0", {"extra.py": ""})
    checkout.lock(("mini", "1.0"), ("extra", "1.0"))
    line = failed_with_one_line(checkout.dev("setup", environment=environment))
    assert line.startswith("dev: The package registry cannot be reached, and this set-up needs it.")


# Other faults of a lock are in the brief run.
@pytest.mark.long
def test_a_broken_node_lock_is_one_line_and_keeps_the_python_part(
    checkout: miniature.Miniature,
) -> None:
    lock = checkout.root / "package-lock.json"
    good = lock.read_text()
    lock.write_text("<<<<<<< HEAD\n" + good)
    line = failed_with_one_line(checkout.dev("setup"))
    assert line.startswith("dev: package-lock.json is broken or does not fit package.json")
    lock.write_text(good)
    again = checkout.dev("setup")
    assert again.returncode == 0
    assert "requirements-dev.lock" not in again.stderr


@contextlib.contextmanager
def a_registry_that_never_answers() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


# tests/emulator/test_cli_foreground.py interrupts such commands.
@pytest.mark.long
def test_an_interrupted_set_up_ends_all_it_started_and_is_repaired(
    checkout: miniature.Miniature, tmp_path: Path
) -> None:
    log = checkout.root / ".cache" / "set-up.log"
    with a_registry_that_never_answers() as registry:
        elsewhere = {"PIP_INDEX_URL": registry, "PIP_FIND_LINKS": "", "TMPDIR": str(tmp_path / "t")}
        (tmp_path / "t").mkdir()
        run = checkout.start("setup", PIP_NO_INDEX="0", **elsewhere)
        while not (log.exists() and "Looking in indexes" in log.read_text()):
            assert run.poll() is None
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    assert said.splitlines()[-1] == "dev: stopped."
    assert "Traceback" not in said
    assert miniature.living_processes(checkout.root) == []
    assert list((tmp_path / "t").iterdir()) == [], "nothing is left outside the checkout"
    again = checkout.dev("test")
    assert again.returncode == 0, again.stderr


# The second run, which does nothing, is in the brief run.
@pytest.mark.long
def test_two_at_once_set_up_once(checkout: miniature.Miniature) -> None:
    runs = [checkout.start("setup") for _ in range(2)]
    said = [run.communicate(timeout=PATIENCE)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    waited = [text for text in said if "waiting for it" in text]
    worked = [text for text in said if "Setting up this checkout" in text]
    assert (len(waited), len(worked)) == (1, 1)


def test_a_folder_of_that_name_which_is_the_users_own_is_left_alone(
    checkout: miniature.Miniature,
) -> None:
    thesis = checkout.root / ".venv" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    line = failed_with_one_line(checkout.dev("setup"))
    assert line.endswith(".venv is not a virtual environment; move it away.")
    assert thesis.exists()


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("Resolved 1 package in 3ms\n - rich==14.0.0\n + rich==15.0.0\n", "rich 15.0.0"),
        ("".join(f" + p{number}==1.0\n" for number in range(9)), "9 packages"),
        ("\nadded 118 packages in 3s\n", "118 packages"),
        ("Audited 1 package in 3ms\n", ""),
    ],
)
def test_the_installed_packages_are_shown(log: str, shown: str) -> None:
    assert setup.installed_packages(log) == shown
