"""Quantum tasks on the managed simulators of the local AWS, through the public SDK."""

import gc
import json
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_s3 as s3
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask, AwsSession
from braket.circuits import Circuit, FreeParameter, Observable
from braket.devices import Devices
from braket.ir.openqasm import Program
from braket.program_sets import ProgramSet

from cdk_braket.permissions.statements import (
    device_statements,
    log_statements,
    objects_statements,
)
from cdk_braket_local.braket.devices import DEVICES, MAXIMUM_SHOTS
from cdk_braket_local.control.instance import LocalAws
from tests import length
from tests.emulator.jobs import TRUST, Jobs, Json
from tests.emulator.users import user_who_may
from tests.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

SV1 = Devices.Amazon.SV1.value
DM1 = Devices.Amazon.DM1.value
# Holds a process for longer than a test waits, in little memory.
LONG = (
    "OPENQASM 3.0;\nqubit[12] q;\nfor int i in [0:100000000] {\n  h q[0];\n}\n"
    "#pragma braket result probability\n"
)


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws, ("s3:*", "logs:*", "braket:*"))


@pytest.fixture(scope="module")
def session(local_aws: LocalAws, jobs: Jobs) -> AwsSession:
    return _session(local_aws.client_settings, jobs.bucket)


def _session(settings: Json, bucket: str) -> AwsSession:
    keys = {name: value for name, value in settings.items() if name != "endpoint_url"}
    return AwsSession(
        boto3.Session(**keys),
        braket_client=boto3.client("braket", **settings),
        default_bucket=bucket,
    )


@pytest.fixture(autouse=True)
def _environment(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    yield
    # The SDK leaves the event loops of its threads open: they are ended while that is ignored.
    gc.collect()


@pytest.fixture(scope="module")
def sv1(local_aws: LocalAws, session: AwsSession) -> AwsDevice:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in local_aws.environment.items():
            patch.setenv(name, value)
        return AwsDevice(SV1, session)


def _when(task: AwsQuantumTask, *states: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while (state := str(task.state())) not in states:
        assert time.monotonic() < deadline, f"still {state}"
        assert state not in AwsQuantumTask.TERMINAL_STATES, task.metadata().get("failureReason")
        time.sleep(0.1)
    return state


def test_a_bell_pair_is_measured_the_same_on_both_qubits(sv1: AwsDevice) -> None:
    task = sv1.run(Circuit().h(0).cnot(0, 1), shots=1000)
    counts = task.result().measurement_counts
    assert set(counts) == {"00", "11"}
    assert sum(counts.values()) == 1000
    # Six standard deviations of a fair coin.
    assert abs(counts["00"] - 500) < 6 * math.sqrt(250)
    described = task.metadata()
    assert described["numSuccessfulShots"] == 1000
    assert described["actionMetadata"]["actionType"] == "braket.ir.openqasm.program"
    assert task.result().task_metadata.id == task.id
    assert task.result().task_metadata.deviceId == SV1


def test_exact_results_of_all_types_are_those_of_theory(sv1: AwsDevice) -> None:
    angle = 0.7
    circuit = (
        Circuit()
        .rx(0, angle)
        .cnot(0, 1)
        .expectation(Observable.Z(), target=0)
        .variance(Observable.Z(), target=0)
        .probability(target=[0, 1])
        .state_vector()
        .amplitude(state=["00", "11"])
    )
    values = sv1.run(circuit, shots=0).result().values
    zero, one = math.cos(angle / 2), -1j * math.sin(angle / 2)
    assert values[0] == pytest.approx(math.cos(angle))
    assert values[1] == pytest.approx(math.sin(angle) ** 2)
    assert list(values[2]) == pytest.approx([zero**2, 0, 0, abs(one) ** 2])
    assert list(values[3]) == pytest.approx([zero, 0, 0, one])
    assert values[4] == {"00": pytest.approx(zero), "11": pytest.approx(one)}


def test_samples_are_of_the_observable(sv1: AwsDevice) -> None:
    circuit = (
        Circuit()
        .x(0)
        .sample(Observable.Z(), target=0)
        .expectation(Observable.Z(), target=0)
        .probability(target=0)
    )
    samples, expectation, probability = sv1.run(circuit, shots=5).result().values
    assert list(samples) == [-1] * 5
    assert expectation == -1
    assert list(probability) == [0, 1]


def test_noise_is_computed_on_dm1_and_refused_on_sv1(session: AwsSession, sv1: AwsDevice) -> None:
    circuit = Circuit().x(0).bit_flip(0, 0.25).probability(target=0).density_matrix()
    probability, matrix = AwsDevice(DM1, session).run(circuit, shots=0).result().values
    assert list(probability) == pytest.approx([0.25, 0.75])
    assert [row[index][0] for index, row in enumerate(matrix)] == pytest.approx([0.25, 0.75])
    source = circuit.to_ir(ir_type=_openqasm()).source
    refused = sv1.run(Program(source=source), shots=0)
    assert _when(refused, "FAILED") == "FAILED"
    assert "oise" in refused.metadata()["failureReason"]


def _openqasm() -> Json:
    from braket.circuits.serialization import IRType

    return IRType.OPENQASM


def test_parameters_are_given_as_inputs(sv1: AwsDevice) -> None:
    circuit = Circuit().ry(0, FreeParameter("theta")).expectation(Observable.Z(), target=0)
    value = sv1.run(circuit, shots=0, inputs={"theta": 1.2}).result().values[0]
    assert value == pytest.approx(math.cos(1.2))


def test_openqasm_is_run(sv1: AwsDevice) -> None:
    source = "OPENQASM 3;\nqubit[2] q;\nbit[2] b;\nx q[1];\nb = measure q;"
    assert sv1.run(Program(source=source), shots=7).result().measurement_counts == {"01": 7}


def test_a_program_set_has_a_result_for_each_executable(sv1: AwsDevice) -> None:
    programs = ProgramSet([Circuit().x(0), Circuit().i(0)], shots_per_executable=4)
    task = sv1.run(programs)
    result = task.result()
    assert [each.entries[0].counts for each in result.entries] == [{"1": 4}, {"0": 4}]
    metadata = task.metadata()["actionMetadata"]
    assert (metadata["programCount"], metadata["executableCount"]) == (2, 2)


def test_an_adjoint_gradient_is_refused_with_the_reason(sv1: AwsDevice) -> None:
    result_types = sv1.properties.action["braket.ir.openqasm.program"].supportedResultTypes
    assert "AdjointGradient" not in {each.name for each in result_types}
    circuit = (
        Circuit()
        .rx(0, FreeParameter("a"))
        .adjoint_gradient(observable=Observable.Z(), target=[[0]], parameters=["a"])
    )
    task = sv1.run(circuit, shots=0, inputs={"a": 0.1})
    assert _when(task, "FAILED") == "FAILED"
    assert "does not compute the result type adjoint_gradient" in task.metadata()["failureReason"]


def test_many_tasks_at_once_have_as_many_results(sv1: AwsDevice) -> None:
    angles = [index / 10 for index in range(length.steps(20, 100))]
    circuits = [Circuit().rx(0, a).expectation(Observable.Z(), target=0) for a in angles]
    batch = sv1.run_batch(
        circuits, shots=0, max_parallel=len(angles), poll_timeout_seconds=PATIENCE
    )
    values = [result.values[0] for result in batch.results(fail_unsuccessful=True)]
    assert values == pytest.approx([math.cos(angle) for angle in angles])
    assert len({task.id for task in batch.tasks}) == len(angles)


def test_devices_have_a_status_properties_and_queues(sv1: AwsDevice, session: AwsSession) -> None:
    assert (sv1.status, sv1.name, sv1.provider_name) == ("ONLINE", "SV1", "Amazon Braket")
    assert sv1.properties.paradigm.qubitCount == 34
    assert tuple(sv1.properties.service.shotsRange) == (0, MAXIMUM_SHOTS)
    assert AwsDevice(DM1, session).properties.paradigm.qubitCount == 17
    depth = sv1.queue_depth()
    assert all(int(size) >= 0 for size in depth.quantum_tasks.values())
    assert len(depth.quantum_tasks) == 2
    assert int(depth.jobs) >= 0


def test_every_device_of_the_sdk_is_known() -> None:
    named = {
        arn.value
        for provider in vars(Devices).values()
        if hasattr(provider, "__members__")
        for arn in provider
    }
    assert len(named) > 10
    assert named <= set(DEVICES)


def test_devices_are_found_by_the_sdk(session: AwsSession) -> None:
    found = AwsDevice.get_devices(aws_session=session, types=["SIMULATOR"])
    assert {device.arn for device in found} == {SV1, DM1}
    retired = AwsDevice.get_devices(aws_session=session, types=["SIMULATOR"], statuses=["RETIRED"])
    assert [device.name for device in retired] == ["TN1"]


def test_a_task_for_a_retired_device_is_refused(session: AwsSession) -> None:
    tn1 = AwsDevice(Devices.Amazon._TN1.value, session)
    assert tn1.status == "RETIRED"
    with pytest.raises(ClientError) as raised:
        tn1.run(Circuit().h(0), shots=1)
    assert raised.value.response["Error"]["Code"] == "DeviceRetiredException"


def test_a_job_on_a_retired_device_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as raised:
        jobs.start("def main(): pass", deviceConfig={"device": Devices.Amazon._TN1.value})
    assert raised.value.response["Error"]["Code"] == "DeviceRetiredException"


def test_an_unknown_device_is_not_found(session: AwsSession) -> None:
    with pytest.raises(ValueError, match="not found"):
        AwsDevice(SV1.replace("sv1", "sv9"), session)


@pytest.mark.parametrize(
    "arn",
    [
        Devices.AQT.IbexQ1.value,
        Devices.IonQ.Forte1.value,
        Devices.IQM.Garnet.value,
        Devices.QuEra.Aquila.value,
        Devices.Rigetti.Cepheus1108Q.value,
    ],
)
def test_a_qpu_is_online_and_refuses_tasks_as_this_is_the_local_aws(
    local_aws: LocalAws, arn: str
) -> None:
    region = arn.split(":")[3]
    settings: Json = {**local_aws.client_settings, "region_name": region}
    bucket = f"amazon-braket-{uuid.uuid4().hex}"
    device = AwsDevice(arn, _session(settings, bucket))
    assert device.status == "ONLINE"
    assert device.properties.paradigm.qubitCount == DEVICES[arn].qubits
    assert tuple(device.properties.service.shotsRange) == DEVICES[arn].shots
    with pytest.raises(ClientError, match="this is the local AWS") as raised:
        boto3.client("braket", **settings).create_quantum_task(**_request(arn, bucket))
    assert raised.value.response["Error"]["Code"] == "DeviceOfflineException"


def _request(device: str, bucket: str, source: str = "qubit[1] q;", **changes: Json) -> Json:
    return {
        "clientToken": str(uuid.uuid4()),
        "deviceArn": device,
        "shots": 10,
        "outputS3Bucket": bucket,
        "outputS3KeyPrefix": "tasks",
        "action": Program(source=source).json(),
        **changes,
    }


@pytest.mark.parametrize(
    ("source", "changes", "reason"),
    [
        ("qubit[1] q;", {"shots": MAXIMUM_SHOTS + 1}, f"0 to {MAXIMUM_SHOTS}"),
        ("qubit[35] q;", {}, "at most 34 qubits on SV1"),
        ("qubit[34] q;", {}, "the local AWS has memory for"),
        ("qubit[1] q;", {"action": "no JSON"}, "braketSchemaHeader"),
        ("qubit[1] q;" + " " * 5 * 10**6, {}, "at most 5000000 bytes"),
        ("qubit[1] q;", {"outputS3Bucket": "amazon-braket-not-there"}, "amazon-braket-not-there"),
        ("qubit[1] q;", {"jobToken": "of no job"}, "jobToken"),
    ],
)
def test_a_task_beyond_a_limit_is_refused(
    jobs: Jobs, source: str, changes: Json, reason: str
) -> None:
    with pytest.raises(ClientError, match=reason) as raised:
        jobs.braket.create_quantum_task(**_request(SV1, jobs.bucket, source, **changes))
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_a_running_and_a_queued_task_are_cancelled(sv1: AwsDevice) -> None:
    running = sv1.run(Program(source=LONG), shots=0)
    _when(running, "RUNNING")
    running.cancel()
    assert _when(running, "CANCELLED") == "CANCELLED"
    with pytest.raises(ClientError) as raised:
        running.cancel()
    assert raised.value.response["Error"]["Code"] == "ConflictException"
    long = [sv1.run(Program(source=LONG), shots=0) for _ in range((os.cpu_count() or 1) + 2)]
    waiting = next(task for task in reversed(long) if task.state() == "QUEUED")
    assert int(waiting.queue_position().queue_position) >= 1
    waiting.cancel()
    assert waiting.state() == "CANCELLED"
    for task in long:
        if task is not waiting:
            task.cancel()
    assert {_when(task, "CANCELLED") for task in long} == {"CANCELLED"}
    # The processes that were ended are replaced.
    assert sv1.run(Circuit().x(0), shots=1).result().measurement_counts == {"1": 1}


def test_a_result_that_the_service_may_not_write_fails_the_task(
    local_aws: LocalAws, sv1: AwsDevice
) -> None:
    client = boto3.client("s3", **local_aws.client_settings)
    bucket = f"amazon-braket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/aws-service-role/*"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    client.put_object(Bucket=bucket, Key="own", Body=b"")  # others may write
    task = sv1.run(Circuit().h(0), shots=1, s3_destination_folder=(bucket, "tasks"))
    assert _when(task, "FAILED") == "FAILED"
    assert "AccessDenied" in task.metadata()["failureReason"]
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["own"]


def test_a_bucket_that_the_service_does_not_reach_fails_the_task(
    local_aws: LocalAws, sv1: AwsDevice
) -> None:
    bucket = f"other-{uuid.uuid4().hex}"
    boto3.client("s3", **local_aws.client_settings).create_bucket(Bucket=bucket)
    task = sv1.run(Circuit().h(0), shots=1, s3_destination_folder=(bucket, "tasks"))
    assert _when(task, "FAILED") == "FAILED"
    assert "AccessDenied" in task.metadata()["failureReason"]


def test_a_caller_without_list_bucket_is_refused(local_aws: LocalAws, jobs: Jobs) -> None:
    settings = user_who_may(local_aws, ["braket:CreateQuantumTask"])
    with pytest.raises(ClientError, match="may not list it"):
        boto3.client("braket", **settings).create_quantum_task(**_request(SV1, jobs.bucket))


def test_the_states_of_a_task_are_published(local_aws: LocalAws, jobs: Jobs) -> None:
    events = boto3.client("events", **local_aws.client_settings)
    sqs = boto3.client("sqs", **local_aws.client_settings)
    name = f"tasks-{uuid.uuid4().hex[:12]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = {"source": ["aws.braket"], "detail-type": ["Braket Task State Change"]}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    queue_arn = attributes["Attributes"]["QueueArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue_arn}])
    created = jobs.braket.create_quantum_task(
        **_request(SV1, jobs.bucket, "OPENQASM 3;\nqubit[1] q;\nx q[0];")
    )
    arn = created["quantumTaskArn"]
    seen: list[str] = []
    deadline = time.monotonic() + PATIENCE
    while "COMPLETED" not in seen:
        assert time.monotonic() < deadline, seen
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            event = json.loads(message["Body"])
            if event["detail"]["quantumTaskArn"] == arn:
                assert event["resources"] == [arn]
                assert event["detail"]["deviceArn"] == SV1
                seen.append(event["detail"]["status"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    events.remove_targets(Rule=name, Ids=["1"])
    events.delete_rule(Name=name)
    assert {"CREATED", "QUEUED", "COMPLETED"} <= set(seen)


@pytest.fixture
def role_for_devices(local_aws: LocalAws, jobs: Jobs) -> Callable[[str], str]:
    """Creates the role of a job on SV1, with the statements of the constructs and no more."""

    def created(job_name: str) -> str:
        app = cdk.App()
        environment = cdk.Environment(account="000000000000", region=local_aws.region)
        stack = cdk.Stack(app, "Stack", env=environment)
        bucket = s3.Bucket.from_bucket_name(stack, "Bucket", jobs.bucket)
        keys = ["scripts/*", f"{job_name}/*", f"jobs/{job_name}/tasks/*"]
        statements = [
            *objects_statements(bucket, keys, writes=True),
            *log_statements(stack),
            *device_statements(stack, SV1, bucket),
        ]
        document = _joined(
            [stack.resolve(each.rendered().to_statement_json()) for each in statements]
        )
        iam = boto3.client("iam", **local_aws.client_settings)
        name = f"devices-{uuid.uuid4().hex[:12]}"
        trust = {"Version": "2012-10-17", "Statement": [TRUST]}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        policy = json.dumps({"Version": "2012-10-17", "Statement": document})
        iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=policy)
        return str(role["Role"]["Arn"])

    return created


def _joined(value: Json) -> Json:
    """Return a part of a template with its joins resolved; the partition is unknown."""
    if isinstance(value, list):
        return [_joined(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value == {"Ref": "AWS::Partition"}:
        return "aws"
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(_joined(parts))
    return {name: _joined(each) for name, each in value.items()}


# The script of a hybrid job: the minimum of an expectation, found by parameter shift.
SCRIPT = """
import math, os
from braket.aws import AwsDevice
from braket.circuits import Circuit, FreeParameter, Observable
from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric

def main():
    device = AwsDevice(os.environ["AMZN_BRAKET_DEVICE_ARN"])
    circuit = Circuit().ry(0, FreeParameter("theta")).expectation(Observable.Z(), target=0)

    def energies(*angles):
        tasks = [device.run(circuit, shots=0, inputs={"theta": angle}) for angle in angles]
        return [task.result().values[0] for task in tasks], [task.id for task in tasks]

    theta, ids = 0.4, []
    for step in range(3):
        (energy, plus, minus), made = energies(theta, theta + math.pi / 2, theta - math.pi / 2)
        ids += made
        log_metric(metric_name="energy", value=energy, iteration_number=step)
        theta -= (plus - minus) / 2
    save_job_result({"theta": theta, "tasks": ids})
"""


def test_the_script_of_a_job_runs_tasks(jobs: Jobs, role_for_devices: Callable[[str], str]) -> None:
    request = jobs.request(SCRIPT, deviceConfig={"device": SV1})
    request["roleArn"] = role_for_devices(request["jobName"])
    job = jobs.over(jobs.braket.create_job(**request)["jobArn"])
    assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
    result = json.loads(jobs.results(job)["results.json"])["dataDictionary"]
    theta = 0.4
    for _ in range(3):
        assert f"energy={math.cos(theta)}"[:14] in jobs.log(job)
        theta += math.sin(theta)  # the gradient of the cosine is minus the sine
    assert result["theta"] == pytest.approx(theta)
    assert len(result["tasks"]) == 9
    for arn in result["tasks"]:
        task = jobs.braket.get_quantum_task(quantumTaskArn=arn)
        assert task["jobArn"] == job["jobArn"]
        assert task["outputS3Directory"].startswith(f"jobs/{job['jobName']}/tasks/")
    filters: Json = [{"name": "jobArn", "operator": "EQUAL", "values": [job["jobArn"]]}]
    found = jobs.braket.search_quantum_tasks(filters=filters)["quantumTasks"]
    assert [each["quantumTaskArn"] for each in found] == result["tasks"][::-1]
