"""A script sees the folders, variables and arguments of the container on AWS."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cdk_braket_local.braket import private_opt
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs, Json


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


# It reads and writes by the paths on AWS alone, as many public scripts do.
BY_PATH = """
import argparse, json, os, sys
from pathlib import Path

IMPORTED_IN = os.getcwd()

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n_steps", type=int, required=True)
    parser.add_argument("-p", type=float)
    parser.add_argument("--label")
    options = parser.parse_args()
    Path("/opt/jobs/checkpoints/step.txt").write_text("1")
    channel = Path(os.environ["SM_CHANNEL_TRAIN"])
    found = {
        "argv0": sys.argv[0],
        "options": vars(options),
        "imported in": IMPORTED_IN,
        "runs in": os.getcwd(),
        "file": __file__,
        "channel": str(channel),
        "channels": json.loads(os.environ["SM_CHANNELS"]),
        "data": (channel / "a.txt").read_text(),
        "same data": Path("/opt/braket/input/data/train/a.txt").read_text(),
        "hps": json.loads(os.environ["SM_HPS"]),
        "file of hyperparameters": json.loads(
            Path("/opt/ml/input/config/hyperparameters.json").read_text()
        ),
        "hosts": json.loads(Path("/opt/ml/input/config/resourceconfig.json").read_text())["hosts"],
        "one": os.environ["SM_HP_N_STEPS"],
        "entry": json.loads(os.environ["SM_TRAINING_ENV"])["user_entry_point"],
        "opt": sorted(os.listdir("/opt")),
        "paths": {
            name: value
            for name, value in os.environ.items()
            if name.startswith("AMZN_BRAKET_") and value.startswith("/")
        },
    }
    Path("/opt/ml/model/found.json").write_text(json.dumps(found))
"""


def _channel(jobs: Jobs) -> list[Json]:
    jobs.s3.put_object(Bucket=jobs.bucket, Key="train/a.txt", Body=b"content")
    source = {"s3DataSource": {"s3Uri": f"s3://{jobs.bucket}/train/"}}
    return [{"channelName": "train", "dataSource": source}]


def test_a_script_finds_everything_at_the_paths_on_aws(jobs: Jobs) -> None:
    given = {"n_steps": "3", "p": "0.5", "label": "a b"}
    request = jobs.request(BY_PATH, hyperParameters=given, inputDataConfig=_channel(jobs))
    request["checkpointConfig"]["localPath"] = "/opt/jobs/checkpoints"
    job = jobs.over(jobs.braket.create_job(**request)["jobArn"])
    assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
    found = json.loads(jobs.results(job)["found.json"])
    others = {path.name for path in Path("/opt").iterdir()}
    code = "/opt/ml/code/customer_code/extracted"
    assert found == {
        "argv0": "braket_container.py",
        "options": {"n_steps": 3, "p": 0.5, "label": "a b"},
        "imported in": "/opt/ml/code",
        "runs in": code,
        "file": f"{code}/algo.py",
        "channel": "/opt/ml/input/data/train",
        "channels": ["train"],
        "data": "content",
        "same data": "content",
        "hps": {"n_steps": 3, "p": 0.5, "label": "a b"},
        "file of hyperparameters": given,
        "hosts": ["algo-1"],
        "one": "3",
        "entry": "braket_container.py",
        "opt": sorted({"ml", "braket", "jobs"} | others),
        "paths": {
            "AMZN_BRAKET_CHECKPOINT_DIR": "/opt/jobs/checkpoints",
            "AMZN_BRAKET_HP_FILE": "/opt/braket/input/config/hyperparameters.json",
            "AMZN_BRAKET_INPUT_DIR": "/opt/braket/input/data",
            "AMZN_BRAKET_JOB_RESULTS_DIR": "/opt/braket/model",
        },
    }
    assert jobs.checkpoint(job, "step.txt") == b"1"
    assert {path.name for path in Path("/opt").iterdir()} == others, "only the job has them"


def test_the_log_has_the_lines_that_the_sdks_tests_look_for(jobs: Jobs) -> None:
    secret = "value-7d3f"
    job = jobs.run("def main(key): print('here')", hyperParameters={"key": secret})
    notes = jobs.notes(job)
    description = json.loads(notes[1].removeprefix("Training Env: "))
    assert notes[0].startswith("environment: ")
    assert description["model_dir"] == "/opt/ml/model"
    assert '"user_entry_point": "braket_container.py"' in notes[1]
    assert notes[2:] == [
        "Invoking script with the following command: python braket_container.py --key …",
        "Beginning Setup",
        "Checking for Additional Requirements",
        "Additional Requirements Check Finished",
        "Running Code As Process",
        "Code Run Finished",
        "Reporting training SUCCESS",
    ]
    assert secret not in "\n".join(notes)
    failed = jobs.run("def main(): raise FileNotFoundError('no file')")
    assert jobs.notes(failed)[-2:] == ["Code Run Finished", "Reporting training FAILURE"]
    broken = jobs.run("import not_there_at_all")
    assert "Running Code As Process" not in jobs.notes(broken)


LAUNCHER = Path(private_opt.__file__)
LOOK = "import os, sys; print(os.getcwd(), sys.argv[1], os.environ['PLACE'], os.listdir('/opt'))"


def _launched(opt: Path, prefix: str) -> list[str]:
    """Start a command as a job's, after a Python program; return the lines of its output."""
    (opt / "ml").mkdir(parents=True)
    ml = str(opt / "ml")
    command = ["-I", "-S", str(LAUNCHER), str(opt), ml, sys.executable, "-c", LOOK, f"{ml}/model"]
    program = f"import ctypes, os, sys\n{prefix}\nos.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, sys.executable, *command],
        env={"PLACE": str(opt / "braket")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


# Source of the numbers: prctl(2) and capabilities(7).
WITHOUT_RIGHTS = "ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)  # drops CAP_SYS_ADMIN"


@pytest.mark.parametrize("prefix", ["", WITHOUT_RIGHTS], ids=["this user", "user namespace"])
def test_a_job_has_the_paths_with_and_without_rights(tmp_path: Path, prefix: str) -> None:
    (line,) = _launched(tmp_path / "opt", prefix)
    words = line.split(" ", 3)
    assert words[:3] == ["/opt/ml", "/opt/ml/model", "/opt/braket"]
    assert "'ml'" in words[3]


# A user namespace that allows no mounts: its limits hold in those below it.
LIMIT = """
assert ctypes.CDLL(None).unshare(0x10000000) == 0
open("/proc/sys/user/max_mnt_namespaces", "w").write("0")
"""


def test_a_system_without_private_mounts_is_reported(tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    note, line = _launched(opt, LIMIT)
    assert note.startswith("[cdk-braket-local] /opt/ml and /opt/braket are not there: ")
    assert "AMZN_BRAKET_*" in note
    assert line.split(" ", 3)[:3] == [str(opt / part) for part in ("ml", "ml/model", "braket")]
