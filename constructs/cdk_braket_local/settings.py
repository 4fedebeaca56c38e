"""The settings of a local AWS, which its user chooses by environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cdk_braket_local.quotas import QuotaError, Quotas

SIMULATE_QPUS: Final = "CDK_BRAKET_LOCAL_SIMULATE_QPUS"
"""The variable that turns the simulation of quantum devices on."""

IMAGE_STANDIN: Final = "CDK_BRAKET_LOCAL_IMAGE_STANDIN"
"""The variable that accepts another environment for jobs that cannot have theirs here."""

QUOTAS: Final = "CDK_BRAKET_LOCAL_QUOTAS"
"""The variable with the quotas of hybrid jobs; see `Quotas.read`."""

VARIABLES: Final = frozenset({SIMULATE_QPUS, IMAGE_STANDIN, QUOTAS})
"""All variables that `Settings.read` reads."""

_SWITCH: Final[Mapping[str, bool]] = {"": False, "0": False, "1": True}


class SettingError(Exception):
    """A variable has a value that is not allowed; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a local AWS.

    Attributes:
        simulates_qpus: Whether tasks for quantum devices are computed without noise. Otherwise they
            are refused.
        accepts_stand_in: Whether jobs with an unknown image, several instances or data parallelism
            run in one process with the packages of this machine. Otherwise they are refused.
        quotas: The quotas of hybrid jobs. None: no job is refused for a quota, and three jobs run
            while the others are queued.
    """

    simulates_qpus: bool = False
    accepts_stand_in: bool = False
    quotas: Quotas | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables.

        Args:
            environment: The variables. Default of each: its attribute's default.

        Raises:
            SettingError: A variable has a value that is not allowed.
        """
        return cls(
            simulates_qpus=_switch(environment, SIMULATE_QPUS),
            accepts_stand_in=_switch(environment, IMAGE_STANDIN),
            quotas=_quotas(environment),
        )


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with settings that an environment turns on."""
    set_ones = {name: environment.get(name, "") for name in sorted(VARIABLES)}
    return {name: text for name, text in set_ones.items() if _SWITCH.get(text, True)}


def _quotas(environment: Mapping[str, str]) -> Quotas | None:
    try:
        return Quotas.read(environment.get(QUOTAS, ""))
    except QuotaError as error:
        raise SettingError(f"{QUOTAS}: {error}. Change it, or unset it.") from error


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "")
    if text not in _SWITCH:
        raise SettingError(f"{name}: expected 1 or 0, got {text!r}. Set it to 1, or unset it.")
    return _SWITCH[text]
