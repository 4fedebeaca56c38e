"""Whether the container finds each module that the script imports.

It looks in the standard library, the image's packages, those of a requirements.txt, and the
archive's top level. A module beside the source is not packed, and a module in the source's folder
is imported through the folder's name, or relatively.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .entry_point import EntryPoint
from .finding import Finding, PreflightCheck, Severity
from .images import Image, distribution_of, removed_in
from .local import find_local, relative_to_app
from .program import Context, Import, Module
from .requirements import FILE_NAME, Requirements
from .search import Search

Fault = tuple[PreflightCheck, Severity, str]


@dataclass(frozen=True, slots=True)
class ImportCheck:
    """The imports of the modules that an entry point reaches.

    Attributes:
        search: The modules.
        entry: The entry point.
        image: The job's image.
        requirements: The packages that the archive requires.
    """

    search: Search
    entry: EntryPoint
    image: Image
    requirements: Requirements

    def findings(self) -> Iterator[Finding]:
        """Report the imports that would fail."""
        for module in self.search.in_order():
            seen: set[tuple[int, str]] = set()
            for wanted in self._that_run(module):
                fault = self._fault(module, wanted)
                # One import statement may have several names, and one reason.
                if fault is None or (wanted.line, fault[2]) in seen:
                    continue
                seen.add((wanted.line, fault[2]))
                check, severity, message = fault
                yield Finding(check, severity, f"{module.label}:{wanted.line}", message)

    def _that_run(self, module: Module) -> Iterator[Import]:
        is_main = self.entry.function is None and module.name in {
            self.entry.module,
            f"{self.entry.module}.__main__",
        }
        for wanted in module.imports:
            if wanted.context is Context.HANDLED:
                continue
            if wanted.context is Context.MAIN and not is_main:
                continue
            yield wanted

    def _fault(self, module: Module, wanted: Import) -> Fault | None:
        if wanted.relative:
            return self._relative(module, wanted)
        name = wanted.module or ""
        top = name.partition(".")[0]
        if top in self.image.standard_library or self.image.offers(top):
            return None
        found = self.search.find(top, module, wanted.line)
        if found is not None:
            return self._in_archive(module, wanted, found)
        if self.requirements.offers(top) or (self.search.has_unknown_folders(module, wanted.line)):
            return None
        package = self._package_of(module, top)
        if package is not None:
            return _beside(package, top) if wanted.context is Context.ALWAYS else None
        return self._not_packed(wanted, top) or self._package(top)

    def _relative(self, module: Module, wanted: Import) -> Fault | None:
        program = self.search.program
        if wanted.module is None:
            return self._error(wanted, *self._out_of_archive(module))
        found = program.modules.get(wanted.module)
        if found is None:
            return self._missing(wanted, wanted.module)
        return self._missing_name(wanted, found)

    def _out_of_archive(self, module: Module) -> tuple[str, str]:
        program = self.search.program
        root = program.tree.root
        folder = relative_to_app(root.parent)
        entry = f"{root.parent.name}.{self.entry.text}"
        pack = f"AlgorithmScript.from_asset({folder!r}, entry_point={entry!r})"
        if module.package:
            fix = f"Import from within, or pack the folder above: {pack}."
            return "its relative import leads out of the source", fix
        fix = f"Import the other file by its name and add it to include_modules, or use {pack}."
        return "a relative import needs a package, and a single file is none", fix

    def _in_archive(self, module: Module, wanted: Import, found: Module) -> Fault | None:
        """An absolute import whose top-level module is in the archive."""
        name = wanted.module or ""
        target = self.search.find(name, module, wanted.line)
        if target is not None:
            return self._missing_name(wanted, target)
        if found.file is not None and (found.binds_unseen or b"__path__" in found.source):
            return None
        if self.requirements.is_open or self.image.distributions is None:
            return None
        return self._missing(wanted, name)

    def _missing(self, wanted: Import, name: str) -> Fault:
        path = self.search.program.path_of(name)
        if path is not None:
            return self._error(
                wanted,
                f"imports {name!r}, which exclude keeps out of the archive",
                f"Remove the pattern that matches {path!r}.",
            )
        return self._error(
            wanted,
            f"imports {name!r}, which the archive does not hold",
            "Add the module, or correct the import.",
        )

    def _missing_name(self, wanted: Import, target: Module) -> Fault | None:
        """`from package import name`, where the package has neither the name nor the module."""
        program = self.search.program
        name = wanted.name
        if name is None or name == "*" or f"{target.name}.{name}" in program.modules:
            return None
        if target.file is not None and (target.tree is None or target.binds_unseen):
            return None
        if target.file is not None and program.resolve(target, name) is not None:
            return None
        # What every module has.
        if name.startswith("__") and name.endswith("__"):
            return None
        if target.is_package:
            return self._missing(wanted, f"{target.name}.{name}")
        message = (
            f"imports {name!r} from {target.name!r}, which does not seem to define it. Define it, "
            "or correct the import."
        )
        return PreflightCheck.IMPORTS, Severity.WARNING, message

    def _package_of(self, module: Module, top: str) -> str | None:
        """Return the package of the archive that has a module of that name, near the importer."""
        program = self.search.program
        for package in (module.package, program.top):
            if package and f"{package}.{top}" in program.modules:
                return package
        return None

    def _not_packed(self, wanted: Import, top: str) -> Fault | None:
        program = self.search.program
        found = find_local(program.tree, top)
        if found is None:
            return None
        why = f"imports {top!r}, which is {found.shown!r} on this machine and not in the archive"
        if found.holds_source:
            between = program.tree.root.parent.relative_to(found.path.parent).parts
            entry = ".".join([*between, self.entry.text])
            fix = (
                f"Pack that folder: AlgorithmScript.from_asset({found.shown!r}, "
                f"entry_point={entry!r})."
            )
        else:
            fix = f"Add include_modules=[{found.shown!r}] to AlgorithmScript.from_asset(…)."
        if self.image.distributions is None:
            # An image of the user's may have it.
            return PreflightCheck.IMPORTS, Severity.WARNING, f"{why}. {fix}"
        return self._error(wanted, why, fix)

    def _package(self, top: str) -> Fault | None:
        if self.image.distributions is None or not top:
            return None
        removed = removed_in(top)
        if removed is not None:
            version = ".".join(map(str, removed))
            message = (
                f"imports {top!r}, which Python {version} removed from the standard library. "
                "Replace it."
            )
            return PreflightCheck.PACKAGES, Severity.WARNING, message
        distribution = distribution_of(top)
        message = (
            f"imports {top!r}, which neither the standard library, the archive, a {FILE_NAME} nor "
            f"{self.image.name} offers. {self._add(distribution)}"
        )
        return PreflightCheck.PACKAGES, Severity.WARNING, message

    def _add(self, distribution: str) -> str:
        tree = self.search.program.tree
        if self.requirements.files:
            return f"Add {distribution!r} to {self.requirements.files[0]}."
        beside = tree.root.parent / FILE_NAME
        if beside.is_file():
            return (
                f"Add {distribution!r} to {relative_to_app(beside)!r} if it is not there, and pack "
                f"that file: include_modules=[{relative_to_app(beside)!r}]."
            )
        if tree.root.is_dir():
            return f"Add {distribution!r} to {tree.root.name}/{FILE_NAME}."
        return (
            f"Add {distribution!r} to a {FILE_NAME} beside the script, and pack that: "
            f"include_modules=[{relative_to_app(beside)!r}]."
        )

    def _error(self, wanted: Import, why: str, fix: str) -> Fault:
        severity = Severity.ERROR if wanted.context is Context.ALWAYS else Severity.WARNING
        return PreflightCheck.IMPORTS, severity, f"{why}. {fix}"


def _beside(package: str, top: str) -> Fault:
    """An absolute import of a module that stands under its package's name only."""
    message = (
        f"imports {top!r}, which is {package + '.' + top!r} in the container. Write "
        f"`from {package} import {top}`, or add the folder of __file__ to sys.path before."
    )
    return PreflightCheck.IMPORTS, Severity.WARNING, message
