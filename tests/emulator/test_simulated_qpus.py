"""Tasks for quantum devices in a local AWS that simulates them, through the public SDK."""

import gc
import json
import math
import uuid
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement, DrivingField
from braket.aws import AwsDevice, AwsSession, DirectReservation
from braket.circuits import Circuit, Observable
from braket.devices import Devices
from braket.timings import TimeSeries

from cdk_braket_local import settings
from cdk_braket_local.braket.devices import DEVICES
from cdk_braket_local.braket.tasks import NOISELESS, SIMULATED_QPU
from cdk_braket_local.control.instance import LocalAws, LocalAwsError
from tests.emulator.jobs import Json
from tests.patience import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

AQUILA = Devices.QuEra.Aquila.value


@pytest.fixture(scope="module")
def simulating_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS that simulates quantum devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.SIMULATE_QPUS, "1")
        aws = LocalAws.start(tmp_path_factory.mktemp("simulating-aws"))
    with aws:
        yield aws


@pytest.fixture(autouse=True)
def _environment(simulating_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in simulating_aws.environment.items():
        monkeypatch.setenv(name, value)
    yield
    # The SDK leaves the event loops of its threads open: they are ended while that is ignored.
    gc.collect()


def _device(arn: str) -> AwsDevice:
    """The device, with a new bucket in its region."""
    region = arn.split(":")[3]
    bucket = f"amazon-braket-{uuid.uuid4().hex}"
    client = boto3.client("s3", region_name=region)
    constraint: Json = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else constraint))
    session = AwsSession(boto3.Session(region_name=region), default_bucket=bucket)
    return AwsDevice(arn, session)


GATE_MODELS = [
    Devices.AQT.IbexQ1.value,
    Devices.IonQ.Forte1.value,
    Devices.IQM.Garnet.value,
    Devices.Rigetti.Cepheus1108Q.value,
]


@pytest.mark.parametrize("arn", GATE_MODELS)
def test_a_circuit_runs_without_noise_and_its_result_is_marked(arn: str) -> None:
    device = _device(arn)
    assert device.status == "ONLINE"
    assert device.is_available
    task = device.run(Circuit().h(0).cnot(0, 1), shots=100, poll_timeout_seconds=PATIENCE)
    result = task.result()
    assert set(result.measurement_counts) <= {"00", "11"}
    assert sum(result.measurement_counts.values()) == 100
    assert result.task_metadata.deviceId == arn
    # No result of hardware has this member.
    assert result.additional_metadata.simulatorMetadata is not None
    described = task.metadata()
    assert described["tags"] == {SIMULATED_QPU: NOISELESS}
    stored = boto3.client("s3", region_name=arn.split(":")[3]).get_object(
        Bucket=described["outputS3Bucket"], Key=f"{described['outputS3Directory']}/results.json"
    )
    mark = json.loads(stored["Body"].read())["simulatedQpu"]
    assert mark == {"simulator": "braket_sv", "noise": "none"}


def test_the_capabilities_name_gates_and_result_types() -> None:
    device = _device(Devices.IonQ.Forte1.value)
    action = device.properties.action["braket.ir.openqasm.program"]
    assert {"h", "cnot", "rx", "rz"} <= set(action.supportedOperations)
    assert "bit_flip" not in action.supportedOperations
    assert {each.name for each in action.supportedResultTypes} == {
        "Expectation",
        "Variance",
        "Sample",
        "Probability",
    }
    circuit = Circuit().ry(0, 0.5).expectation(Observable.Z(), target=0)
    value = device.run(circuit, shots=10_000, poll_timeout_seconds=PATIENCE).result().values[0]
    # Six standard deviations of the mean of 10,000 shots.
    assert value == pytest.approx(math.cos(0.5), abs=6 * math.sin(0.5) / 100)


def _pulse(area: float, register: AtomArrangement) -> AnalogHamiltonianSimulation:
    """A program that turns every atom by an area in rad, in the shape of a trapezoid."""
    signal = TimeSeries.trapezoidal_signal(area, 1.5e7, 0.99 * 4e14, time_separation_min=5e-8)
    zero = TimeSeries.constant_like(signal, 0.0)
    drive = DrivingField(amplitude=signal, phase=zero, detuning=zero)
    return AnalogHamiltonianSimulation(register=register, hamiltonian=drive)


def test_an_analog_program_has_the_populations_of_theory() -> None:
    device = _device(AQUILA)
    # Too far from each other to interact: each atom is a free qubit.
    far = AtomArrangement().add((0, 0)).add((7e-5, 7e-5))
    turn = 2 * math.pi / 3
    program = _pulse(turn, far).discretize(device)
    task = device.run(program, shots=1000, poll_timeout_seconds=PATIENCE)
    result = task.result()
    assert {each.status.value for each in result.measurements} == {"Success"}
    excited = [sum(1 - each.post_sequence[atom] for each in result.measurements) for atom in (0, 1)]
    expected = math.sin(turn / 2) ** 2
    deviation = math.sqrt(1000 * expected * (1 - expected))
    for count in excited:
        assert abs(count - 1000 * expected) < 6 * deviation
    assert task.metadata()["tags"] == {SIMULATED_QPU: NOISELESS}
    assert task.metadata()["actionMetadata"]["actionType"] == "braket.ir.ahs.program"


def test_near_atoms_are_blockaded() -> None:
    near = AtomArrangement().add((0, 0)).add((0, 4e-6))
    result = _device(AQUILA).run(_pulse(math.pi, near), shots=200).result()
    assert all(sum(each.post_sequence) >= 1 for each in result.measurements)


@pytest.mark.parametrize(
    ("arn", "program", "shots", "reason"),
    [
        (AQUILA, Circuit().h(0), 10, "expected one of braket.ir.ahs.program"),
        (AQUILA, "pulse", 1001, "shots: expected 1 to 1000 on Aquila, got 1001"),
        (Devices.IonQ.Forte1.value, "pulse", 100, "got braket.ir.ahs.program"),
        (Devices.IonQ.Forte1.value, Circuit().h(0), 99, "shots: expected 100 to 50000"),
        (Devices.IQM.Garnet.value, Circuit().h(range(21)), 10, "at most 20 qubits on Garnet"),
        (Devices.AQT.IbexQ1.value, Circuit().h(0), 2001, "shots: expected 1 to 2000"),
    ],
)
def test_a_task_beyond_a_limit_of_its_device_is_refused(
    arn: str, program: Json, shots: int, reason: str
) -> None:
    atom = AtomArrangement().add((0, 0))
    given = _pulse(1.0, atom) if program == "pulse" else program
    with pytest.raises(ClientError, match=reason) as raised:
        _device(arn).run(given, shots=shots)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_tasks_of_a_reservation_name_it() -> None:
    device = _device(Devices.IonQ.Forte1.value)
    reservation = f"arn:aws:braket:us-east-1:000000000000:reservation/{uuid.uuid4()}"
    with DirectReservation(device, reservation_arn=reservation):
        # Fewer shots than on demand.
        task = device.run(Circuit().x(0), shots=1, poll_timeout_seconds=PATIENCE)
    assert task.result().measurement_counts == {"1": 1}
    (association,) = task.metadata()["associations"]
    assert association == {"arn": reservation, "type": "RESERVATION_TIME_WINDOW_ARN"}


def test_a_retired_device_stays_retired() -> None:
    device = _device(Devices.Rigetti._Ankaa3.value)
    with pytest.raises(ClientError) as raised:
        device.run(Circuit().h(0), shots=10)
    assert raised.value.response["Error"]["Code"] == "DeviceRetiredException"


def test_every_device_is_found_in_all_regions() -> None:
    found = AwsDevice.get_devices(statuses=["ONLINE"])
    online = {arn for arn, device in DEVICES.items() if device.status.value == "ONLINE"}
    assert {device.arn for device in found} == online
    assert {AQUILA, *GATE_MODELS} <= online


def test_a_wrong_value_of_the_variable_stops_the_start(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.SIMULATE_QPUS, "maybe")
    with pytest.raises(LocalAwsError, match="SIMULATE_QPUS: expected 1 or 0, got 'maybe'"):
        LocalAws.start(tmp_path_factory.mktemp("wrong"))
