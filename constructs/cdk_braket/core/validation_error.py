"""The one error that the constructs raise for arguments that Amazon Braket would refuse."""

from collections.abc import Sequence

from .issue import Issue, as_lines


class ValidationError(ValueError):
    """The arguments of a construct are wrong; all that is wrong is reported at once.

    It is raised before the construct, or any child of it, is added to the tree. No hyperparameter
    value is ever part of it.

    Attributes:
        construct_path: Path of the construct that was refused, or the name of the function whose
            arguments are wrong.
        problems: One line each: the argument, its value, the rule and the fix.

    Example:
        >>> from cdk_braket import ValidationError
        >>> raise ValidationError("Vqe/Job", ["device is required."])
        Traceback (most recent call last):
        ...
        cdk_braket.ValidationError: [Vqe/Job] device is required.
    """

    __module__ = "cdk_braket"

    def __init__(self, construct_path: str, problems: Sequence[str | Issue]) -> None:
        self.construct_path = construct_path
        self.problems = as_lines(problems)
        super().__init__("\n".join(f"[{construct_path}] {problem}" for problem in self.problems))
