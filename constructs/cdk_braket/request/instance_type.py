"""The instance that a hybrid job's script runs on."""

from dataclasses import dataclass
from typing import ClassVar

from cdk_braket.core.argument_types import checked


@dataclass(frozen=True, slots=True)
class InstanceType:
    """The type of a hybrid job's instances.

    The constants are the types that botocore's service model lists. `of` accepts newer ones: a type
    that the model does not know is a warning at synth, not an error. Many types have a default
    quota of 0 instances.

    Attributes:
        value: The value of CreateJob's `instanceConfig.instanceType`, such as `ml.m5.large`.

    Example:
        >>> from cdk_braket import InstanceType
        >>> InstanceType.P3_2XLARGE.value
        'ml.p3.2xlarge'
        >>> InstanceType.of("ml.m5.large") == InstanceType.M5_LARGE
        True
    """

    __module__ = "cdk_braket"

    value: str

    # Written out so that type checkers and editors know them; a test compares with the model.
    T3_LARGE: ClassVar["InstanceType"]
    T3_XLARGE: ClassVar["InstanceType"]
    T3_2XLARGE: ClassVar["InstanceType"]
    M4_XLARGE: ClassVar["InstanceType"]
    M4_2XLARGE: ClassVar["InstanceType"]
    M4_4XLARGE: ClassVar["InstanceType"]
    M4_10XLARGE: ClassVar["InstanceType"]
    M4_16XLARGE: ClassVar["InstanceType"]
    M5_LARGE: ClassVar["InstanceType"]
    M5_XLARGE: ClassVar["InstanceType"]
    M5_2XLARGE: ClassVar["InstanceType"]
    M5_4XLARGE: ClassVar["InstanceType"]
    M5_12XLARGE: ClassVar["InstanceType"]
    M5_24XLARGE: ClassVar["InstanceType"]
    C4_XLARGE: ClassVar["InstanceType"]
    C4_2XLARGE: ClassVar["InstanceType"]
    C4_4XLARGE: ClassVar["InstanceType"]
    C4_8XLARGE: ClassVar["InstanceType"]
    C5_XLARGE: ClassVar["InstanceType"]
    C5_2XLARGE: ClassVar["InstanceType"]
    C5_4XLARGE: ClassVar["InstanceType"]
    C5_9XLARGE: ClassVar["InstanceType"]
    C5_18XLARGE: ClassVar["InstanceType"]
    C5N_XLARGE: ClassVar["InstanceType"]
    C5N_2XLARGE: ClassVar["InstanceType"]
    C5N_4XLARGE: ClassVar["InstanceType"]
    C5N_9XLARGE: ClassVar["InstanceType"]
    C5N_18XLARGE: ClassVar["InstanceType"]
    P2_XLARGE: ClassVar["InstanceType"]
    P2_8XLARGE: ClassVar["InstanceType"]
    P2_16XLARGE: ClassVar["InstanceType"]
    P3_2XLARGE: ClassVar["InstanceType"]
    P3_8XLARGE: ClassVar["InstanceType"]
    P3_16XLARGE: ClassVar["InstanceType"]
    P3DN_24XLARGE: ClassVar["InstanceType"]
    P4D_24XLARGE: ClassVar["InstanceType"]
    G4DN_XLARGE: ClassVar["InstanceType"]
    G4DN_2XLARGE: ClassVar["InstanceType"]
    G4DN_4XLARGE: ClassVar["InstanceType"]
    G4DN_8XLARGE: ClassVar["InstanceType"]
    G4DN_12XLARGE: ClassVar["InstanceType"]
    G4DN_16XLARGE: ClassVar["InstanceType"]
    G6_XLARGE: ClassVar["InstanceType"]
    G6_2XLARGE: ClassVar["InstanceType"]
    G6_4XLARGE: ClassVar["InstanceType"]
    G6_8XLARGE: ClassVar["InstanceType"]
    G6_12XLARGE: ClassVar["InstanceType"]
    G6_16XLARGE: ClassVar["InstanceType"]
    G6_24XLARGE: ClassVar["InstanceType"]
    G6_48XLARGE: ClassVar["InstanceType"]
    G6E_XLARGE: ClassVar["InstanceType"]
    G6E_2XLARGE: ClassVar["InstanceType"]
    G6E_4XLARGE: ClassVar["InstanceType"]
    G6E_8XLARGE: ClassVar["InstanceType"]
    G6E_12XLARGE: ClassVar["InstanceType"]
    G6E_16XLARGE: ClassVar["InstanceType"]
    G6E_24XLARGE: ClassVar["InstanceType"]
    G6E_48XLARGE: ClassVar["InstanceType"]

    @staticmethod
    @checked
    def of(value: str) -> "InstanceType":
        """Name a type that has no constant.

        Args:
            value: The type's name in the API, such as `ml.m5.large`, or a token.
        """
        return InstanceType(value)


def _set_constants() -> None:
    for name in InstanceType.__annotations__:
        if name.isupper():
            family, _, size = name.lower().partition("_")
            setattr(InstanceType, name, InstanceType(f"ml.{family}.{size}"))


_set_constants()
