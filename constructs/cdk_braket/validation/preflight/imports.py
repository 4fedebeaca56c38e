"""Whether the script imports its own modules by the names they have in the container.

Only the directory that holds the source is on the container's path, so a module beside the entry
point is imported through the source's own name, or relatively.
"""

import sys
from collections.abc import Iterator, Sequence

from .finding import Finding, PreflightCheck, Severity
from .program import Import, Module, Program, imports


def check_imports(program: Program, modules: Sequence[Module]) -> Iterator[Finding]:
    """Look through the imports of the modules that the entry point reaches."""
    for module in modules:
        for wanted in imports(module):
            fault = None if wanted.guarded else _fault(program, module, wanted)
            if fault is None:
                continue
            severity, message = fault
            subject = f"{module.label}:{wanted.line}"
            yield Finding(PreflightCheck.IMPORTS, severity, subject, message)


def _fault(program: Program, module: Module, wanted: Import) -> tuple[Severity, str] | None:
    if wanted.relative:
        if wanted.module is None:
            return (
                Severity.ERROR,
                (
                    "its relative import leads out of the source. Import from within, or pack the "
                    "directory above."
                ),
            )
        if wanted.module in program.modules:
            return None
        return (
            Severity.ERROR,
            (
                f"imports {wanted.module!r}, which the archive does not hold. Add the module, or "
                "correct the import."
            ),
        )
    return _beside(program, module, wanted.module or "")


def _beside(program: Program, module: Module, name: str) -> tuple[Severity, str] | None:
    """An absolute import of what stands under the source's own name only."""
    top = name.partition(".")[0]
    if not module.package or top in program.modules or top in sys.stdlib_module_names:
        return None
    for package in (module.package, program.top):
        if f"{package}.{top}" in program.modules:
            return (
                Severity.WARNING,
                (
                    f"imports {top!r}, which is {package + '.' + top!r} in the container. Write "
                    f"`from {package} import {top}`, unless an installed package is meant."
                ),
            )
    return None
