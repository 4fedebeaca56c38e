"""Which modules of the archive an import finds, with the folders that the script adds to sys.path.

The container puts the archive's top level on `sys.path`. Scripts that also run elsewhere often add
the folder of the file that adds them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .places import PathEntry, Place, path_entries
from .program import Import, Module, Program


@dataclass
class Search:
    """The modules that an entry module may import, and how their imports are found.

    Attributes:
        program: The modules of the archive.
        modules: The entry module and the modules that it may import, by name.
    """

    program: Program
    modules: dict[str, Module] = field(default_factory=dict)
    _entries: dict[str, list[PathEntry]] = field(default_factory=dict)

    @classmethod
    def start(cls, program: Program, entry: Module) -> "Search":
        """Follow the imports of a module through the archive."""
        search = cls(program)
        before = -1
        # A folder that a later module adds may be where an earlier one's import leads.
        while len(search.modules) != before:
            before = len(search.modules)
            pending = [*search.with_parents(entry.name), *search.modules.values()]
            seen: set[str] = set()
            while pending:
                here = pending.pop()
                if here.name in seen:
                    continue
                seen.add(here.name)
                search._add(here)
                for wanted in here.imports:
                    pending.extend(search._targets(here, wanted))
        return search

    def in_order(self) -> list[Module]:
        """The modules by name."""
        return [self.modules[name] for name in sorted(self.modules)]

    def find(self, name: str, importer: Module, line: int) -> Module | None:
        """Find a module by the name that a line of another module imports it by."""
        if known := self.program.modules.get(name):
            return known
        for place in self._places(importer, line):
            if place[:1] == ("..",):
                continue
            if known := self.program.modules.get(".".join([*place, name])):
                return known
        return None

    def has_unknown_folders(self, importer: Module, line: int) -> bool:
        """Whether a line imports from folders that syntax does not show."""
        return any(entry.place is None for entry in self._in_effect(importer, line))

    def _places(self, importer: Module, line: int) -> Iterator[Place]:
        for entry in self._in_effect(importer, line):
            if entry.place is not None:
                yield entry.place

    def _in_effect(self, importer: Module, line: int) -> Iterator[PathEntry]:
        for name, entries in self._entries.items():
            for entry in entries:
                # In which order modules are imported is not followed; in one module it is plain.
                if name != importer.name or entry.line < line:
                    yield entry

    def _add(self, module: Module) -> None:
        if module.name not in self.modules:
            self.modules[module.name] = module
            self._entries[module.name] = list(path_entries(module))

    def _targets(self, importer: Module, wanted: Import) -> Iterator[Module]:
        if wanted.module is None:
            return
        yield from self.with_parents(wanted.module)
        found = self.find(wanted.module, importer, wanted.line)
        if found is None:
            # Of `import a.b`, `a` may be found without `b`.
            found = self.find(wanted.module.partition(".")[0], importer, wanted.line)
        if found is not None:
            yield from self.with_parents(found.name)
            below = f"{found.name}.{wanted.name}"
            if wanted.name and below in self.program.modules:
                yield self.program.modules[below]

    def with_parents(self, name: str) -> Iterator[Module]:
        """Yield a module of the archive and the packages that it is in."""
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            if known := self.program.modules.get(".".join(parts[:depth])):
                yield known
