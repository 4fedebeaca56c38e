"""The device that a hybrid job has priority on."""

import difflib
from dataclasses import dataclass
from typing import ClassVar, Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk_braket._lambda.braket_jobs.api.service_rules import DEVICE_ARN, LOCAL_DEVICE, is_device
from cdk_braket.core.argument_types import checked
from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.tokens import is_unknown
from cdk_braket.core.validation_error import ValidationError

# The embedded simulators of Braket's images. Source: the entry points `braket.simulators` of
# amazon-braket-default-simulator (tests/contract compares), PennyLane's devices, and the targets of
# CUDA-Q's image; `none/none` is the SDK's for a job without a device.
EMBEDDED_SIMULATORS: Final = (
    "braket/default",
    "braket/braket_sv",
    "braket/braket_dm",
    "braket/braket_ahs",
    "braket/braket_sv_v2",
    "braket/braket_dm_v2",
    "braket/braket.local.qubit",
    "braket/braket.local.ahs",
    "pennylane/default.qubit",
    "pennylane/default.mixed",
    "pennylane/lightning.qubit",
    "pennylane/lightning.gpu",
    "pennylane/lightning.kokkos",
    "nvidia/qpp-cpu",
    "nvidia/density-matrix-cpu",
    "nvidia/nvidia",
    "nvidia/nvidia-fp64",
    "nvidia/nvidia-mgpu",
    "nvidia/nvidia-mqpu",
    "nvidia/tensornet",
    "nvidia/tensornet-mps",
    "none/none",
)
# Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-monitor-metrics.html
_NAMESPACE: Final = "AWS/Braket"
_DEVICE_DIMENSION: Final = "deviceArn"
# As close as a typing error: one or two letters of a name.
_CLOSE: Final = 0.85


@dataclass(frozen=True, slots=True)
class Device:
    """The quantum device, managed simulator or embedded simulator of a hybrid job.

    The constants are the devices that are not retired, as the Amazon Braket SDK lists them. For
    others there is `from_arn`.

    Attributes:
        arn: The value of CreateJob's `deviceConfig.device`: a device ARN, or
            `local:<provider>/<simulator>` for an embedded simulator.

    Example:
        >>> from cdk_braket import Device
        >>> Device.IQM_GARNET.region
        'eu-north-1'
        >>> Device.local("braket/default").arn
        'local:braket/default'
    """

    __module__ = "cdk_braket"

    arn: str

    # Source: `braket.devices.Devices` of amazon-braket-sdk; tests/contract compares.
    AMAZON_SV1: ClassVar["Device"]
    AMAZON_DM1: ClassVar["Device"]
    AQT_IBEX_Q1: ClassVar["Device"]
    IONQ_FORTE_1: ClassVar["Device"]
    IONQ_FORTE_ENTERPRISE_1: ClassVar["Device"]
    IQM_EMERALD: ClassVar["Device"]
    IQM_GARNET: ClassVar["Device"]
    QUERA_AQUILA: ClassVar["Device"]
    RIGETTI_CEPHEUS_1_108Q: ClassVar["Device"]

    @staticmethod
    @checked
    def from_arn(arn: str) -> "Device":
        """Name a device by its ARN, such as one that is newer than this library.

        Args:
            arn: `arn:aws:braket:<region>::device/<qpu|quantum-simulator>/<provider>/<name>`, or a
                token.
        """
        return Device(arn)

    @staticmethod
    @checked
    def local(simulator: str) -> "Device":
        """Name a simulator that runs inside the job's container; no device is billed for.

        Args:
            simulator: `<provider>/<simulator>`, such as `braket/default`. A name that
                resembles a simulator in Braket's images is an error. Any other unknown name is a
                warning: your image may have that simulator. Source:
                https://docs.aws.amazon.com/braket/latest/developerguide/pennylane-embedded-simulators.html
        """
        return Device(f"{LOCAL_DEVICE}{simulator}")

    @checked
    def metric(
        self,
        metric_name: str,
        *,
        statistic: str = cloudwatch.Stats.AVERAGE,
        period: Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return a metric that Amazon Braket publishes of the device, in your account and region.

        Amazon Braket publishes `Count` and `Latency` of quantum tasks, by device and not by job.
        Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-monitor-metrics.html

        Args:
            metric_name: The metric's name in the namespace `AWS/Braket`.
            statistic: The statistic. Default: the average.
            period: The time between two points: 1, 5, 10 or 30 seconds, or a multiple of 60.
                Default: 5 minutes.
            label: The label in graphs. Default: CloudWatch's.
            color: Its color in graphs, such as `#1f77b4`. Default: CloudWatch's.

        Raises:
            ValidationError: The device is an embedded simulator, which has no metrics, or the
                period is one that CloudWatch does not have.

        Example:
            >>> from cdk_braket import Device
            >>> Device.AMAZON_SV1.metric("Count", statistic="Sum").namespace
            'AWS/Braket'
        """
        issues = [issue for issue in (self._metric_issue(), _period_issue(period)) if issue]
        if issues:
            raise ValidationError("Device", issues)
        return cloudwatch.Metric(
            namespace=_NAMESPACE,
            metric_name=metric_name,
            dimensions_map={_DEVICE_DIMENSION: self.arn},
            statistic=statistic,
            period=period,
            label=label,
            color=color,
        )

    @checked
    def metric_task_count(
        self,
        *,
        statistic: str = cloudwatch.Stats.SUM,
        period: Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return the number of quantum tasks that your account sent to the device.

        Args:
            statistic: The statistic. Default: the sum.
            period: See `metric`. Default: 5 minutes.
            label: The label in graphs. Default: CloudWatch's.
            color: Its color in graphs. Default: CloudWatch's.

        Raises:
            ValidationError: See `metric`.

        Example:
            >>> from cdk_braket import Device
            >>> Device.AMAZON_SV1.metric_task_count().metric_name
            'Count'
        """
        return self.metric("Count", statistic=statistic, period=period, label=label, color=color)

    @checked
    def metric_task_latency(
        self,
        *,
        statistic: str = cloudwatch.Stats.AVERAGE,
        period: Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """Return the duration of your account's tasks on the device, from start to end.

        Args:
            statistic: The statistic. Default: the average.
            period: See `metric`. Default: 5 minutes.
            label: The label in graphs. Default: CloudWatch's.
            color: Its color in graphs. Default: CloudWatch's.

        Raises:
            ValidationError: See `metric`.
        """
        return self.metric("Latency", statistic=statistic, period=period, label=label, color=color)

    def _metric_issue(self) -> Issue | None:
        if not self.is_local:
            return None
        rule = "runs in the job itself, and no metrics are published of it"
        return Issue("device", rule, "Use a managed device", shorten(self.arn))

    @property
    def is_local(self) -> bool:
        """Whether it is an embedded simulator."""
        return self.arn.startswith(LOCAL_DEVICE)

    @property
    def is_qpu(self) -> bool:
        """Whether it is a quantum processing unit; False when a token hides it."""
        return self._part("kind") == "qpu"

    @property
    def region(self) -> str | None:
        """The region that the device is in; None when it is in any, or a token hides it."""
        return self._part("region") or None

    @property
    def is_unknown_simulator(self) -> bool:
        """Whether it is an embedded simulator that no image of Amazon Braket is known to have."""
        return self.is_local and self._simulator not in EMBEDDED_SIMULATORS

    @property
    def _simulator(self) -> str:
        return self.arn.removeprefix(LOCAL_DEVICE)

    def _part(self, name: str) -> str | None:
        match = DEVICE_ARN.fullmatch(self.arn)
        return match[name] if match else None


def _period_issue(period: Duration | None) -> Issue | None:
    """Return an issue if CloudWatch has no points of that length.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
    """
    if period is None or period.is_unresolved():
        return None
    seconds = seconds_of(period)
    if seconds in {1, 5, 10, 30} or (seconds > 0 and seconds % 60 == 0):
        return None
    rule = "expected 1, 5, 10 or 30 seconds, or a multiple of 60"
    fix = "Use Duration.minutes(5), or remove the argument"
    return Issue("period", rule, fix, f"{seconds:g} s")


def _near(device: Device) -> str | None:
    """The known simulator whose name was probably meant."""
    if not device.is_unknown_simulator:
        return None
    given = device.arn.removeprefix(LOCAL_DEVICE).casefold()
    names = {name.casefold(): name for name in EMBEDDED_SIMULATORS}
    found = difflib.get_close_matches(given, names, n=1, cutoff=_CLOSE)
    return names[found[0]] if found else None


def device_issue(device: Device) -> Issue | None:
    """Return the issues of a device's name that the service model does not define.

    The model limits only the length. The service reports an unknown device only after the job is
    created.
    """
    if is_unknown(device.arn):
        return None
    if near := _near(device):
        rule = "no image of Amazon Braket has this simulator"
        return Issue("device", rule, f"Did you mean Device.local({near!r})?", shorten(device.arn))
    if is_device(device.arn):
        return None
    expected = "the ARN of a device or local:<provider>/<simulator>"
    fix = "Use a constant of Device, Device.from_arn(…) or Device.local('braket/default')"
    if device.is_local:
        expected, fix = "local:<provider>/<simulator>", "Use Device.local('braket/default')"
    return Issue("device", f"expected {expected}", fix, shorten(device.arn))


def region_issue(device: Device, region: str, what: str) -> Issue | None:
    """Return an issue if a device and its user are in different regions.

    Args:
        device: The device.
        region: The stack's region; a token when it is not known.
        what: The construct that has to be in the device's region.
    """
    if device.region in {None, region} or is_unknown(region) or is_unknown(device.region):
        return None
    rule = (
        f"the device is in {device.region}, and the stack is in {region}; {what} in its device's "
        "region"
    )
    fix = f"Deploy the stack to {device.region}, or use another device"
    return Issue("device", rule, fix, shorten(device.arn))


Device.AMAZON_SV1 = Device("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
Device.AMAZON_DM1 = Device("arn:aws:braket:::device/quantum-simulator/amazon/dm1")
Device.AQT_IBEX_Q1 = Device("arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1")
Device.IONQ_FORTE_1 = Device("arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1")
Device.IONQ_FORTE_ENTERPRISE_1 = Device(
    "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1"
)
Device.IQM_EMERALD = Device("arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald")
Device.IQM_GARNET = Device("arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")
Device.QUERA_AQUILA = Device("arn:aws:braket:us-east-1::device/qpu/quera/Aquila")
Device.RIGETTI_CEPHEUS_1_108Q = Device(
    "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q"
)
