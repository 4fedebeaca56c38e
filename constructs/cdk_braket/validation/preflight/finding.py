"""A finding of a preflight: its check, severity, subject and fix."""

from dataclasses import dataclass
from enum import StrEnum

from cdk_braket.core.issue import Issue, Severity

__all__ = ["Finding", "PreflightCheck", "Severity"]


class PreflightCheck(StrEnum):
    """The checks of a script, by name; `disabled_checks` turns them off.

    A check is there because the container would fail on its findings, after the instance has
    started. Turn one off where it is wrong about your script.

    Example:
        >>> from cdk_braket import PreflightCheck
        >>> PreflightCheck("entry-point") is PreflightCheck.ENTRY_POINT
        True
    """

    __module__ = "cdk_braket"

    ENTRY_POINT = "entry-point"
    """The entry point names a module and a function that the container will find and can run."""

    MODULE_NAME = "module-name"
    """The script's top-level name does not belong to a module the container finds earlier."""

    IMPORTS = "imports"
    """The script's own modules are in the archive, and imported by their names there."""

    PACKAGES = "packages"
    """Imported packages are in the standard library, the image or a requirements.txt."""

    REQUIREMENTS = "requirements"
    """The container's pip can read each requirements.txt and finds the files that it names."""

    FILE_PATHS = "file-paths"
    """Files are opened by paths that lead to them in the container."""

    INTERACTION = "interaction"
    """The script needs no keyboard, screen or command-line arguments."""

    SYNTAX = "syntax"
    """The imports of the entry point are Python that the container can read."""

    HYPERPARAMETERS = "hyperparameters"
    """The entry function accepts each hyperparameter, and gets each one that it needs."""

    FUTURE_ANNOTATIONS = "future-annotations"
    """No hyperparameter meets an annotation that is a string, by `from __future__` or by quotes."""

    BOOL_ARGUMENTS = "bool-arguments"
    """No hyperparameter is cast by `bool`, for which the text "False" is true."""

    ARGUMENT_TYPES = "argument-types"
    """Each hyperparameter can be cast by its argument's annotation."""

    CREDENTIALS = "credentials"
    """No hyperparameter, and no line of a requirements.txt, looks like a credential."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a preflight.

    Attributes:
        check: The check that found it, to turn it off by.
        severity: Whether it must stop the synth.
        subject: The subject: the entry point, a hyperparameter's name, or `file:line` as in
            the archive. Never a hyperparameter's value.
        message: The problem and its fix, in one line.
    """

    check: PreflightCheck
    severity: Severity
    subject: str
    message: str

    @property
    def issue(self) -> Issue:
        """The finding in the shape of everything that is wrong with a job."""
        check = f"preflight-{self.check.value}"
        return Issue(self.subject, self.message, severity=self.severity, check=check)
