"""Answers questions of docs/reference/unverified.md by calls of AWS, and prints the answers.

`python3 verify.py` deploys the stack beside it, answers the questions, and destroys the
stack, also after an error.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient

FOLDER: Final = Path(__file__).resolve().parent
STACK: Final = "CdkBraketVerify"
FINAL: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_SV1: Final = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
_QUICK: Final = (
    "import os\nfrom pathlib import Path\n"
    "def main():\n"
    "    found = {k: v for k, v in os.environ.items() if k.startswith('AMZN_BRAKET_')}\n"
    "    Path(os.environ['AMZN_BRAKET_JOB_RESULTS_DIR'], 'environment').write_text(str(found))\n"
)
# An account may run three to five jobs at a time, and a question starts up to two.
_AT_ONCE: Final = 3
_SLOW: Final = "import time\ndef main():\n    time.sleep(3600)\n"
# Requests and answers of APIs: nothing of them is typed.
Json = Any


class Aws:
    """The calls that the questions share.

    Args:
        outputs: The outputs of the stack.
        patience: The longest wait for a job or an event, in seconds.
    """

    def __init__(self, outputs: Mapping[str, str], patience: float) -> None:
        self.outputs = outputs
        self.patience = patience
        # A repeated call would be another answer.
        settings = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        self.braket: BraketClient = boto3.client("braket", config=settings)
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self.jobs: list[str] = []

    def request(self, script: str = _QUICK, role: str = "RoleArn", seconds: int = 600) -> Json:
        """Return a request for a job; its script is stored."""
        name = f"verify-{uuid.uuid4().hex[:12]}"
        key = f"scripts/{name}/source.tar.gz"
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as opened:
            member = tarfile.TarInfo("algorithm.py")
            member.size = len(script)
            opened.addfile(member, io.BytesIO(script.encode()))
        self.s3.put_object(Bucket=self.outputs["Inputs"], Key=key, Body=archive.getvalue())
        return {
            "clientToken": str(uuid.uuid4()),
            "jobName": name,
            "roleArn": self.outputs[role],
            "algorithmSpecification": {
                "scriptModeConfig": {
                    "entryPoint": "algorithm:main",
                    "s3Uri": f"s3://{self.outputs['Inputs']}/{key}",
                    "compressionType": "GZIP",
                }
            },
            "deviceConfig": {"device": "local:braket/default"},
            "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
            "outputDataConfig": {"s3Path": f"s3://{self.outputs['Results']}/jobs/{name}"},
            "stoppingCondition": {"maxRuntimeInSeconds": seconds},
        }

    def start(self, request: Json) -> str:
        """Start a job; it is cancelled at the end, if it still runs then."""
        arn = str(self.braket.create_job(**request)["jobArn"])
        self.jobs.append(arn)
        return arn

    def when(self, arn: str, statuses: frozenset[str]) -> Json:
        """Wait until a job has one of these statuses; return its description."""
        deadline = time.monotonic() + self.patience
        while (job := self.braket.get_job(jobArn=arn))["status"] not in statuses:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{arn} is {job['status']} after {self.patience:.0f} s")
            time.sleep(1)
        return job

    def cancel_all(self) -> None:
        """Cancel the jobs that still run, so that none costs anything."""
        for arn in self.jobs:
            if self.braket.get_job(jobArn=arn)["status"] not in FINAL:
                self.braket.cancel_job(jobArn=arn)
        for arn in self.jobs:
            self.when(arn, FINAL)


def _error(call: Callable[[], object]) -> str:
    """Return the error of a call, or that there is none."""
    try:
        call()
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    except BotoCoreError as error:
        return f"not sent: {error}"
    return "accepted"


# --- The questions. Each returns its answer as a line. ---


def client_token(aws: Aws) -> str:
    """CreateJob with the token of another request."""
    request = aws.request()
    aws.start(request)
    other = {**aws.request(), "clientToken": request["clientToken"]}
    return _error(lambda: aws.start(other))


def trust_conditions(aws: Aws) -> str:
    """CreateJob with a role whose trust policy has aws:SourceAccount and aws:SourceArn."""
    job = aws.when(aws.start(aws.request(role="CheckedRoleArn")), FINAL)
    return f"{job['status']} {job.get('failureReason', '')}".strip()


def untrusting_role(aws: Aws) -> str:
    """CreateJob with a role that does not trust Braket."""
    arns: list[str] = []
    error = _error(lambda: arns.append(aws.start(aws.request(role="UntrustedRoleArn"))))
    if not arns:
        return error
    job = aws.when(arns[0], FINAL)
    return f"accepted, then {job['status']}: {job.get('failureReason', '')}"


def job_event(aws: Aws) -> str:
    """ReceiveMessage from a queue that a rule puts the events of jobs into."""
    arn = aws.start(aws.request())
    aws.when(arn, FINAL)
    deadline = time.monotonic() + aws.patience
    while time.monotonic() < deadline:
        answer = aws.sqs.receive_message(QueueUrl=aws.outputs["QueueUrl"], WaitTimeSeconds=5)
        for message in answer.get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            if detail["jobArn"] == arn:
                return f"detail has {', '.join(sorted(detail))}"
            aws.sqs.delete_message(
                QueueUrl=aws.outputs["QueueUrl"], ReceiptHandle=message["ReceiptHandle"]
            )
    return f"no event within {aws.patience:.0f} s"


def job_paths(aws: Aws) -> str:
    """GetObject of a result that holds the variables of the job's environment."""
    request = aws.request()
    job = aws.when(aws.start(request), FINAL)
    if job["status"] != "COMPLETED":
        return f"{job['status']}: {job.get('failureReason', '')}"
    prefix = f"jobs/{request['jobName']}/output/model.tar.gz"
    body = aws.s3.get_object(Bucket=aws.outputs["Results"], Key=prefix)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        file = archive.extractfile("environment")
        return file.read().decode() if file else "the result is missing"


def max_runtime(aws: Aws) -> str:
    """GetJob of a job that reached its maximum run time."""
    job = aws.when(aws.start(aws.request(_SLOW, seconds=60)), FINAL)
    return f"{job['status']}: {job.get('failureReason', '')}"


def cancelling(aws: Aws) -> str:
    """CancelJob of a job that is CANCELLING."""
    arn = aws.start(aws.request(_SLOW))
    aws.when(arn, frozenset({"RUNNING"}))
    aws.braket.cancel_job(jobArn=arn)
    return _error(lambda: aws.braket.cancel_job(jobArn=arn))


def foreign_device(aws: Aws) -> str:
    """CreateJob with a device of another region."""
    region = "us-west-1" if aws.braket.meta.region_name != "us-west-1" else "us-east-1"
    device = f"arn:aws:braket:{region}::device/qpu/rigetti/Ankaa-3"
    request = {**aws.request(), "deviceConfig": {"device": device}}
    return _error(lambda: aws.start(request))


def strange_uri(aws: Aws) -> str:
    """CreateJob with NUL in the S3 URI of the results."""
    request = aws.request()
    request["outputDataConfig"] = {"s3Path": f"s3://{aws.outputs['Results']}/jobs/a\0b"}
    return _error(lambda: aws.start(request))


def task_results(aws: Aws) -> str:
    """CreateQuantumTask whose results have a KMS key, by the service-linked role."""
    circuit = "OPENQASM 3.0;\nqubit[1] q;\nh q[0];\nbit[1] c;\nc[0] = measure q[0];\n"
    action = {
        "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
        "source": circuit,
    }
    made: list[str] = []
    error = _error(
        lambda: made.append(
            aws.braket.create_quantum_task(
                clientToken=str(uuid.uuid4()),
                deviceArn=_SV1,
                shots=10,
                action=json.dumps(action),
                outputS3Bucket=aws.outputs["Results"],
                outputS3KeyPrefix="jobs/verify/tasks",
            )["quantumTaskArn"]
        )
    )
    if not made:
        return error
    deadline = time.monotonic() + aws.patience
    while time.monotonic() < deadline:
        task = aws.braket.get_quantum_task(quantumTaskArn=made[0])
        if task["status"] in FINAL:
            return f"{task['status']} {task.get('failureReason', '')}".strip()
        time.sleep(2)
    return "the task does not end"


QUESTIONS: Final[Mapping[str, Callable[[Aws], str]]] = {
    "client-token": client_token,
    "trust-conditions": trust_conditions,
    "untrusting-role": untrusting_role,
    "job-event": job_event,
    "job-paths": job_paths,
    "max-runtime": max_runtime,
    "cancelling": cancelling,
    "foreign-device": foreign_device,
    "strange-uri": strange_uri,
    "task-results": task_results,
}
"""By the name that docs/reference/unverified.md has for it."""


def _answer(aws: Aws, name: str) -> str:
    """Answer one question. If it fails, its error is the answer, and the others go on."""
    try:
        return QUESTIONS[name](aws)
    except (ClientError, BotoCoreError, TimeoutError, KeyError) as error:
        return f"NOT ANSWERED: {type(error).__name__}: {error}"


def answers(aws: Aws, names: list[str]) -> dict[str, str]:
    """Answer questions, a few at a time: most of the time is spent on waiting for jobs."""
    found: dict[str, str] = {}
    try:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            started = {threads.submit(_answer, aws, name): name for name in names}
            for done in as_completed(started):
                name = started[done]
                found[name] = done.result()
                print(f"| {name} | {found[name]} |", flush=True)
    finally:
        aws.cancel_all()
    return found


def main() -> int:
    """Deploy the stack, answer the questions, destroy the stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    parser.add_argument(
        "--patience", type=float, default=1800, help="seconds for one job (default: %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cdk = ["cdk", f"--output={folder}/cdk.out"]
        file = Path(folder) / "outputs.json"
        try:
            deploy = ["deploy", "--require-approval=never", f"--outputs-file={file}"]
            subprocess.run([*cdk, *deploy], cwd=FOLDER, check=True)
            outputs = json.loads(file.read_text(encoding="utf-8"))[STACK]
            found = answers(Aws(outputs, options.patience), options.only)
        finally:
            subprocess.run([*cdk, "destroy", "--force"], cwd=FOLDER, check=True)
    return int(any(answer.startswith("NOT ANSWERED") for answer in found.values()))


if __name__ == "__main__":
    sys.exit(main())
