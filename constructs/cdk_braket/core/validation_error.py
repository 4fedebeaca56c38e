"""The one error that the constructs raise for what Amazon Braket would refuse."""

from collections.abc import Sequence


class ValidationError(ValueError):
    """A construct was given what Amazon Braket would refuse; says everything at once.

    It is raised before the construct, or any child of it, is added to the tree. No hyperparameter
    value is ever part of it.

    Attributes:
        construct_path: Path of the construct that was refused.
        problems: One line each: the property, its value, the rule and the way out.

    Example:
        >>> from cdk_braket import ValidationError
        >>> raise ValidationError("Vqe/Job", ["device is required."])
        Traceback (most recent call last):
        ...
        cdk_braket.core.validation_error.ValidationError: [Vqe/Job] device is required.
    """

    def __init__(self, construct_path: str, problems: Sequence[str]) -> None:
        self.construct_path = construct_path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"[{construct_path}] {problem}" for problem in self.problems))
