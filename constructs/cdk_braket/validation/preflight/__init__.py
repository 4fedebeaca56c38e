"""Findings on a job's script before it costs anything, from its syntax alone.

Nothing of the script is imported or run. Each check has a name, a `PreflightCheck`, that turns it
off. Standard library only.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from cdk_braket.assets.packaging import read_trees

from .arguments import check_arguments, check_read
from .credentials import check_credentials
from .entry_point import EntryPoint, Located, check_form, check_module_name, locate
from .files import check_files
from .finding import Finding, PreflightCheck, Severity
from .images import Image, image_of
from .imports import ImportCheck
from .interaction import check_interaction
from .program import Module, Program
from .requirements import read_requirements
from .search import Search

__all__ = ["Finding", "PreflightCheck", "Severity", "preflight", "preflight_unread"]


def preflight(
    source: Path,
    entry_point: str,
    hyperparameters: Mapping[str, str],
    *,
    disabled: Collection[PreflightCheck] = (),
    exclude: Sequence[str] = (),
    include: Sequence[Path] = (),
    image_uri: str | None = None,
) -> list[Finding]:
    """Read a script as the job's container would find it, and report its faults.

    Args:
        source: The file or directory that is packed.
        entry_point: `module:function` or `module`, where a directory's modules start with its name.
        hyperparameters: The rendered values by name. A value that holds an unresolved CDK token is
            left unchecked.
        disabled: Checks to skip.
        exclude: The patterns that packing leaves out, as the container does not find those files.
        include: Further files and folders that are packed beside the source.
        image_uri: The job's image, which decides the Python and the packages; None for the image
            of a job that names none.

    Returns:
        The findings, each with its fix; no finding shows a hyperparameter's value.

    Raises:
        PackagingError: The source does not exist, or is neither a file nor a directory.

    Example:
        >>> import tempfile
        >>> script = Path(tempfile.mkdtemp()) / "algo.py"
        >>> _ = script.write_text("def main(shots: int): pass")
        >>> for finding in preflight(script, "algo.py", {"shots": "10"}):
        ...     print(finding.message)
        an entry point is a module's dotted name, not a file. Use entry_point='algo:main'.
        >>> preflight(script, "algo:main", {"shots": "10"})
        []
    """
    image = image_of(image_uri)
    program = Program(read_trees(source, exclude=exclude, include=include), image.python)
    findings = _findings(program, EntryPoint.parse(entry_point), hyperparameters, image)
    return [finding for finding in findings if finding.check not in disabled]


def preflight_unread(
    entry_point: str | None,
    hyperparameters: Mapping[str, str],
    *,
    disabled: Collection[PreflightCheck] = (),
) -> list[Finding]:
    """Report the problems that can be found without the script.

    Args:
        entry_point: The entry point; None where there is none, or a token.
        hyperparameters: The rendered values by name.
        disabled: Checks to skip.
    """
    findings = list(check_credentials(hyperparameters))
    if entry_point is not None:
        findings += check_form(EntryPoint.parse(entry_point))
    return [finding for finding in findings if finding.check not in disabled]


def _findings(
    program: Program, entry: EntryPoint, hyperparameters: Mapping[str, str], image: Image
) -> Iterator[Finding]:
    yield from check_credentials(hyperparameters)
    requirements = read_requirements(program.tree.files)
    yield from requirements.findings
    yield from check_module_name(program, entry, image)
    located, findings = locate(program, entry)
    yield from findings
    if located.module is None:
        return
    search = Search.start(program, located.module)
    modules = search.in_order()
    yield from _check_syntax(modules)
    yield from ImportCheck(search, entry, image, requirements).findings()
    yield from check_files(program, entry, modules)
    yield from check_interaction(entry, modules)
    yield from _check_hyperparameters(entry, located, hyperparameters, modules)


def _check_syntax(modules: Sequence[Module]) -> Iterator[Finding]:
    for module in modules:
        fault = module.fault
        if fault is not None:
            subject = f"{module.label}:{fault.line}"
            yield Finding(PreflightCheck.SYNTAX, fault.severity, subject, fault.message)


def _check_hyperparameters(
    entry: EntryPoint,
    located: Located,
    hyperparameters: Mapping[str, str],
    modules: Sequence[Module],
) -> Iterator[Finding]:
    if entry.function is None:
        yield from check_read(modules, hyperparameters, entry.subject)
    elif located.function is not None and not located.function.node.decorator_list:
        yield from check_arguments(located.function, hyperparameters, modules)
