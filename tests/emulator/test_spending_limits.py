"""Spending limits of simulated quantum devices, by the API."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from braket.devices import Devices
from braket.ir.openqasm import Program

from cdk_braket_local import settings
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Json
from tests.emulator.users import user_who_may
from tests.patience import until

QPU = Devices.IonQ.Forte1.value
OTHER = Devices.IonQ.ForteEnterprise1.value
# 0.30 USD for the task, and 0.08 USD for each of 100 shots.
COST = "8.30"


@pytest.fixture(scope="module")
def simulating_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.SIMULATE_QPUS, "1")
        aws = LocalAws.start(tmp_path_factory.mktemp("limiting-aws"))
    with aws:
        yield aws


@pytest.fixture(scope="module")
def bucket(simulating_aws: LocalAws) -> str:
    name = f"amazon-braket-{uuid.uuid4().hex}"
    boto3.client("s3", **simulating_aws.client_settings).create_bucket(Bucket=name)
    return name


@pytest.fixture
def braket(simulating_aws: LocalAws) -> Iterator[Json]:
    client = boto3.client("braket", **simulating_aws.client_settings)
    yield client
    for limit in client.search_spending_limits()["spendingLimits"]:
        client.delete_spending_limit(spendingLimitArn=limit["spendingLimitArn"])


def _limit(braket: Json, amount: str, device: str = QPU, **more: Json) -> str:
    made = braket.create_spending_limit(deviceArn=device, spendingLimit=amount, **more)
    return str(made["spendingLimitArn"])


def _task(braket: Json, bucket: str, source: str = "", device: str = QPU, **more: Json) -> str:
    program = Program(source=source or "OPENQASM 3;\nqubit[1] q;\nx q[0];")
    created = braket.create_quantum_task(
        clientToken=str(uuid.uuid4()),
        deviceArn=device,
        shots=100,
        outputS3Bucket=bucket,
        outputS3KeyPrefix="tasks",
        action=program.json(),
        **more,
    )
    return str(created["quantumTaskArn"])


def _ended(braket: Json, arn: str) -> str:
    final = {"COMPLETED", "FAILED", "CANCELLED"}

    def state() -> str:
        return str(braket.get_quantum_task(quantumTaskArn=arn)["status"])

    return until(state, lambda found: found in final)


def _spent(braket: Json) -> tuple[str, str]:
    (limit,) = braket.search_spending_limits()["spendingLimits"]
    return limit["queuedSpend"], limit["totalSpend"]


def _refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_tasks_are_refused_once_the_limit_is_spent(braket: Json, bucket: str) -> None:
    arn = _limit(braket, "10")
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"
    assert _spent(braket) == ("0", COST)
    with pytest.raises(ClientError, match=r"costs 8\.30 USD, .* leaves 1\.70 USD") as refusal:
        _task(braket, bucket)
    assert _refused(refusal) == "ValidationException"
    # Another device has no limit.
    assert _ended(braket, _task(braket, bucket, device=OTHER)) == "COMPLETED"
    braket.update_spending_limit(
        spendingLimitArn=arn, spendingLimit="16.60", clientToken=str(uuid.uuid4())
    )
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"
    assert _spent(braket) == ("0", "16.60")


def test_a_queued_task_counts_and_a_cancelled_one_does_not(braket: Json, bucket: str) -> None:
    _limit(braket, COST)
    long = "OPENQASM 3;\nqubit[8] q;\nfor int i in [0:100000000] {\n  h q[0];\n}"
    arn = _task(braket, bucket, long)
    assert _spent(braket) == (COST, "0")
    with pytest.raises(ClientError, match="leaves 0"):
        _task(braket, bucket)
    braket.cancel_quantum_task(quantumTaskArn=arn)
    assert _ended(braket, arn) == "CANCELLED"
    assert _spent(braket) == ("0", "0")
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"


def test_a_failed_task_costs_nothing(braket: Json, bucket: str) -> None:
    _limit(braket, "10")
    assert _ended(braket, _task(braket, bucket, "no OpenQASM")) == "FAILED"
    assert _spent(braket) == ("0", "0")


def test_tasks_from_before_the_limit_do_not_count(braket: Json, bucket: str) -> None:
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"
    _limit(braket, COST)
    assert _spent(braket) == ("0", "0")


def test_tasks_outside_the_period_are_refused(braket: Json, bucket: str) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    period: Json = {"startAt": tomorrow, "endAt": tomorrow + timedelta(days=1)}
    arn = _limit(braket, "100", timePeriod=period)
    with pytest.raises(ClientError, match="allows tasks from") as refusal:
        _task(braket, bucket)
    assert _refused(refusal) == "ValidationException"
    period["startAt"] = tomorrow - timedelta(days=2)
    braket.update_spending_limit(
        spendingLimitArn=arn, timePeriod=period, clientToken=str(uuid.uuid4())
    )
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"


def test_a_limit_of_zero_blocks_all_but_reservations(braket: Json, bucket: str) -> None:
    arn = _limit(braket, "0")
    with pytest.raises(ClientError, match="leaves 0 USD"):
        _task(braket, bucket)
    reservation = f"arn:aws:braket:us-east-1:000000000000:reservation/{uuid.uuid4()}"
    kind = "RESERVATION_TIME_WINDOW_ARN"
    task = _task(braket, bucket, associations=[{"arn": reservation, "type": kind}])
    assert _ended(braket, task) == "COMPLETED"
    braket.delete_spending_limit(spendingLimitArn=arn)
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"


def test_limits_are_found_by_their_device(braket: Json) -> None:
    first, second = _limit(braket, "1", tags={"team": "a"}), _limit(braket, "2.50", OTHER)
    filters: Json = [{"name": "deviceArn", "operator": "EQUAL", "values": [OTHER]}]
    (found,) = braket.search_spending_limits(filters=filters)["spendingLimits"]
    assert (found["spendingLimitArn"], found["spendingLimit"]) == (second, "2.50")
    page = braket.search_spending_limits(maxResults=1)
    rest = braket.search_spending_limits(maxResults=1, nextToken=page["nextToken"])
    arns = [each["spendingLimitArn"] for each in page["spendingLimits"] + rest["spendingLimits"]]
    assert arns == [first, second]
    assert "nextToken" not in rest
    assert braket.list_tags_for_resource(resourceArn=first)["tags"] == {"team": "a"}


def test_the_same_token_creates_one_limit(braket: Json) -> None:
    token = str(uuid.uuid4())
    first = _limit(braket, "1", clientToken=token)
    assert _limit(braket, "1", clientToken=token) == first


@pytest.mark.parametrize(
    ("device", "amount", "code"),
    [
        (Devices.Amazon.SV1.value, "1", "ValidationException"),
        (Devices.IonQ._Aria1.value, "1", "DeviceRetiredException"),
        (Devices.IQM.Garnet.value, "1", "ResourceNotFoundException"),  # of another region
        (QPU, "1.005", "ValidationException"),
    ],
)
def test_a_wrong_limit_is_refused(braket: Json, device: str, amount: str, code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        _limit(braket, amount, device)
    assert _refused(refusal) == code


def test_a_limit_cannot_be_lower_than_the_spend(braket: Json, bucket: str) -> None:
    arn = _limit(braket, "10")
    assert _ended(braket, _task(braket, bucket)) == "COMPLETED"
    with pytest.raises(ClientError, match=r"at least 8\.30 USD"):
        braket.update_spending_limit(
            spendingLimitArn=arn, spendingLimit="8", clientToken=str(uuid.uuid4())
        )
    with pytest.raises(ClientError, match="already"):
        _limit(braket, "20")


def test_a_user_needs_the_permissions(simulating_aws: LocalAws, braket: Json) -> None:
    arn = _limit(braket, "1")
    user = boto3.client("braket", **user_who_may(simulating_aws, ["braket:SearchSpendingLimits"]))
    assert len(user.search_spending_limits()["spendingLimits"]) == 1
    with pytest.raises(ClientError, match="braket:DeleteSpendingLimit") as refusal:
        user.delete_spending_limit(spendingLimitArn=arn)
    assert _refused(refusal) == "AccessDeniedException"
    with pytest.raises(ClientError, match="braket:CreateSpendingLimit"):
        _limit(user, "1", OTHER)
