"""The example job, run as the container runs it: its own process, its environment, its files."""

import http.server
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import pytest

from cdk_braket.validation.preflight import preflight
from examples.h2_vqe.algorithm import hamiltonian, vqe
from examples.h2_vqe.report import exact_energy

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/h2_vqe"
DATA = EXAMPLE / "data/h2_hamiltonian.json"
EXACT = exact_energy(hamiltonian.read(DATA))

RUN = "from importlib import import_module; import_module('algorithm.vqe').main()"


class Options(TypedDict, total=False):
    """The arguments of `Job.started` by name."""

    name: str
    device: str
    data: Path
    environment: Mapping[str, str]
    warnings: str


@dataclass(frozen=True)
class Job:
    """A job's directories, as in the container."""

    directory: Path

    def run(
        self,
        hyperparameters: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> subprocess.CompletedProcess[str]:
        """Run the job to its end."""
        with self.started(hyperparameters, **options) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def started(
        self,
        hyperparameters: Mapping[str, str] | None = None,
        *,
        name: str = "h2",
        device: str = "local:braket/default",
        data: Path = DATA,
        environment: Mapping[str, str] | None = None,
        warnings: str = "error",
    ) -> subprocess.Popen[str]:
        channel = self.directory / "input/hamiltonian"
        for directory in (channel, self.checkpoints, self.directory / "model"):
            directory.mkdir(parents=True, exist_ok=True)
        (channel / data.name).write_bytes(data.read_bytes())
        hyperparameter_file = self.directory / "hyperparameters.json"
        hyperparameter_file.write_text(json.dumps(hyperparameters or {}), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-W", warnings, "-c", RUN],
            cwd=self.directory,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(EXAMPLE),
                "AMZN_BRAKET_JOB_NAME": name,
                "AMZN_BRAKET_DEVICE_ARN": device,
                "AMZN_BRAKET_INPUT_DIR": str(self.directory / "input"),
                "AMZN_BRAKET_CHECKPOINT_DIR": str(self.checkpoints),
                "AMZN_BRAKET_JOB_RESULTS_DIR": str(self.directory / "model"),
                "AMZN_BRAKET_HP_FILE": str(hyperparameter_file),
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def checkpoints(self) -> Path:
        return self.directory / "checkpoints"

    @property
    def results(self) -> dict[str, object]:
        document = json.loads((self.directory / "model/results.json").read_text(encoding="utf-8"))
        data: dict[str, object] = document["dataDictionary"]
        return data

    @property
    def energy(self) -> float:
        energy = self.results["energy"]
        assert isinstance(energy, float)
        return energy

    @property
    def trace(self) -> list[float]:
        trace = self.results["trace"]
        assert isinstance(trace, list)
        return trace


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str]:
    """A job with the default hyperparameters, and its output."""
    job = Job(tmp_path_factory.mktemp("default"))
    ended = job.run()
    assert ended.returncode == 0, ended.stderr
    return job, ended.stdout


def test_default_job_finds_the_ground_state(finished: tuple[Job, str]) -> None:
    assert abs(finished[0].energy - EXACT) < 1e-3


def test_each_iteration_logs_its_energy_as_a_metric(finished: tuple[Job, str]) -> None:
    job, printed = finished

    metrics = re.findall(
        r"Metrics - timestamp=[\d.]+; energy=(\S+); iteration_number=(\d+);", printed
    )

    assert [float(energy) for energy, _ in metrics] == job.trace[1:]
    assert [int(number) for _, number in metrics] == list(range(1, 25))


def test_results_hold_the_parameters_and_the_trace(finished: tuple[Job, str]) -> None:
    results = finished[0].results

    assert sorted(results) == ["energy", "parameters", "shots", "trace"]
    assert isinstance(results["parameters"], list)
    assert len(results["parameters"]) == 3
    assert finished[0].trace[-1] == results["energy"]


def test_energy_never_rises_with_exact_expectations(finished: tuple[Job, str]) -> None:
    trace = finished[0].trace

    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(trace))


# The first test compares a run with the exact energy.
@pytest.mark.long
def test_equal_seeds_give_equal_results(finished: tuple[Job, str], job: Job) -> None:
    assert job.run().returncode == 0

    assert job.results == finished[0].results


# The test above runs with a seed.
@pytest.mark.long
def test_another_seed_starts_elsewhere_and_ends_there(finished: tuple[Job, str], job: Job) -> None:
    assert job.run({"seed": "7"}).returncode == 0

    assert job.trace[0] != finished[0].trace[0]
    assert abs(job.energy - EXACT) < 1e-3


# The first test compares a run with the exact energy.
@pytest.mark.long
def test_sampled_job_is_right_within_its_noise(job: Job) -> None:
    shots = 2000

    ended = job.run({"shots": str(shots), "iterations": "12"})

    assert ended.returncode == 0, ended.stderr
    # Five times the standard error that the hyperparameter's description gives.
    assert 0 < abs(job.energy - EXACT) < 5 * 0.25 / shots**0.5


# Below, the job requests a device on AWS.
@pytest.mark.long
def test_simulator_is_the_one_that_the_device_names(job: Job) -> None:
    ended = job.run({"iterations": "1"}, device="local:braket/braket_dm", warnings="default")

    assert ended.returncode == 0, ended.stderr
    # What that simulator alone says of circuits without noise.
    assert "running this circuit on the state vector simulator" in ended.stderr


@pytest.fixture
def braket_requests() -> Iterator[tuple[str, list[str]]]:
    """An endpoint without devices, and the paths that it received."""
    paths: list[str] = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(urllib.parse.unquote(self.path))
            self.send_response(404)
            self.send_header("x-amzn-ErrorType", "ResourceNotFoundException")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
        server.shutdown()
        thread.join()


def test_a_device_on_aws_is_requested_from_aws(
    job: Job, braket_requests: tuple[str, list[str]]
) -> None:
    endpoint, paths = braket_requests
    arn = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"

    ended = job.run(
        device=arn,
        warnings="default",
        environment={
            "AWS_ENDPOINT_URL_BRAKET": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    )

    assert ended.returncode == 1
    assert paths, ended.stderr
    assert all(path == f"/device/{arn}" for path in paths)


# Below, a job goes on from its own checkpoint.
@pytest.mark.long
def test_job_goes_on_from_the_checkpoint_of_another(finished: tuple[Job, str], job: Job) -> None:
    assert job.run({"iterations": "7"}, name="first").returncode == 0

    second = job.run(name="second")

    assert "Resuming after iteration 7." in second.stdout
    assert "iteration_number=7;" not in second.stdout
    assert "iteration_number=8;" in second.stdout
    assert job.results == finished[0].results


def is_whole(checkpoint: Path) -> bool:
    return checkpoint.is_file() and checkpoint.read_bytes().endswith(b"}")


def test_job_that_was_killed_goes_on_from_its_last_checkpoint(job: Job) -> None:
    checkpoint = job.checkpoints / "h2_vqe.json"
    with job.started({"iterations": "1000000"}) as process:
        # The next one is an iteration or more away: it is not caught half written.
        while process.poll() is None and not is_whole(checkpoint):
            time.sleep(0.01)
        process.kill()
    assert is_whole(checkpoint)

    ended = job.run()

    assert re.search("^Resuming after iteration [1-9]", ended.stdout), ended.stdout + ended.stderr
    assert abs(job.energy - EXACT) < 1e-3


def test_checkpoint_that_cannot_be_read_is_named_and_not_used(job: Job) -> None:
    job.checkpoints.mkdir()
    (job.checkpoints / "first_vqe.json").write_text('{"dataDictionary": {"ang', encoding="utf-8")

    ended = job.run({"iterations": "1"})

    assert ended.returncode == 0, ended.stderr
    assert "The checkpoint of first cannot be read" in ended.stdout
    assert "iteration_number=1;" in ended.stdout


# Above, a checkpoint that cannot be read is not used either.
@pytest.mark.long
def test_checkpoint_of_another_problem_is_left_alone(job: Job) -> None:
    assert job.run({"iterations": "3"}, name="first").returncode == 0

    for other in ({"seed": "5"}, {"shots": "100"}):
        second = job.run({"iterations": "3", **other}, name="second")

        assert second.returncode == 0, second.stderr
        assert "Resuming" not in second.stdout
        assert "iteration_number=1;" in second.stdout


@pytest.mark.parametrize(
    ("hyperparameters", "complaint"),
    [
        ({"shots": "many"}, "shots must be a whole number of at least 0"),
        ({"shots": "-1"}, "shots must be a whole number of at least 0"),
        ({"iterations": "0"}, "iterations must be a whole number of at least 1"),
        ({"seed": "1.5"}, "seed must be a whole number of at least 0"),
        ({"shot": "10"}, "there is no 'shot'; there are shots, iterations, seed"),
    ],
)
def test_wrong_hyperparameters_are_named(hyperparameters: dict[str, str], complaint: str) -> None:
    with pytest.raises(vqe.HyperparameterError) as refusal:
        vqe.Settings.of(hyperparameters)

    assert str(refusal.value) == complaint


def test_wrong_hyperparameter_fails_the_job_without_its_value(job: Job) -> None:
    ended = job.run({"shots": "many-7731"})

    assert ended.returncode == 1
    assert "HyperparameterError: shots must be" in ended.stderr.splitlines()[-1]
    assert "7731" not in ended.stdout + ended.stderr


def test_hyperparameters_that_are_not_given_have_defaults() -> None:
    assert vqe.Settings.of({"seed": "7"}) == vqe.Settings(seed=7)


# Above, a job fails with its reason.
@pytest.mark.long
def test_bad_data_file_fails_with_its_name_and_reason(job: Job, tmp_path: Path) -> None:
    bad = tmp_path / "molecule.json"
    bad.write_text('{"terms": {"ZQ": 1}}', encoding="utf-8")

    ended = job.run(data=bad)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "algorithm.hamiltonian.HamiltonianError: "
        "molecule.json: the term 'ZQ' must be 2 letters of I X Y Z"
    )


def test_preflight_has_no_findings_on_the_script() -> None:
    assert preflight(EXAMPLE / "algorithm", "algorithm.vqe:main", {"shots": "0"}) == []
