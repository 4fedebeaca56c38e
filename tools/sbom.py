"""The bill of materials of a wheel: what it needs, as locked, and the files in it."""

import hashlib
import json
import re
import uuid
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_NAMESPACE = uuid.UUID("5f5c0a52-5d0b-5c0e-9e55-1c3b0c4b8f3a")


class SbomError(Exception):
    """The bill does not hold to its schema, or the lock lacks what the wheel needs."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """What a bill of materials is made for.

    Attributes:
        path: The wheel.
        name: The project's name.
        version: Its version.
        requirements: What it always needs.
        optional: What its extras need.
    """

    path: Path
    name: str
    version: str
    requirements: Collection[str]
    optional: Collection[str]


@dataclass(frozen=True, slots=True)
class _Locked:
    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]

    @property
    def reference(self) -> str:
        return f"{self.name}=={self.version}"


def text(wheel: Wheel, lock: str, made_at: datetime) -> str:
    """Make the bill, as JSON; the same bytes for the same arguments.

    Args:
        wheel: What it is for.
        lock: The text of the lock, with hashes and with what each package is needed by.
        made_at: The time to write into it.

    Raises:
        SbomError: It cannot be made, or is not what the schema asks for.
    """
    locked = list(_entries(lock))
    required = _closure(locked, wheel.requirements)
    optional = _closure(locked, wheel.optional) - required
    root = _root(wheel)
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, _digest(wheel.path.read_bytes()) + lock))
    bom.metadata.component = root
    bom.metadata.timestamp = made_at
    packages = {
        entry.reference: _package(entry, entry.name in required)
        for entry in locked
        if entry.name in required | optional
    }
    bom.components.update([*packages.values(), *_files(wheel.path)])
    named = _named([entry for entry in locked if entry.reference in packages])
    for name, entries in named.items():
        if name in {canonicalize_name(Requirement(one).name) for one in wheel.requirements}:
            bom.register_dependency(root, [packages[entry.reference] for entry in entries])
    for entry in (entry for entries in named.values() for entry in entries):
        for parent in entry.needed_by & named.keys():
            for one in named[parent]:
                bom.register_dependency(packages[one.reference], [packages[entry.reference]])
    made = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(made)
    if error is not None:
        raise SbomError(f"the bill of materials is not what its schema asks for: {error}")
    # The library writes what it found in sets in an order of its own.
    return json.dumps(json.loads(made), indent=2, sort_keys=True) + "\n"


def _entries(lock: str) -> Iterator[_Locked]:
    for entry in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
        pin = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)(?: *; *([^\\\n]+))?", entry)
        if pin is None:
            continue
        comments = re.findall(r"^ +# +(?:via +)?(\S+)", entry, re.MULTILINE)
        yield _Locked(
            name=canonicalize_name(pin[1]),
            version=pin[2],
            marker=(pin[3] or "").strip(),
            hashes=tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))),
            needed_by=frozenset(canonicalize_name(one) for one in comments if one != "via"),
        )


def _closure(locked: list[_Locked], requirements: Iterable[str]) -> set[str]:
    """The names of all that requirements need, those of theirs included."""
    names = {entry.name for entry in locked}
    reached = {str(canonicalize_name(Requirement(one).name)) for one in requirements}
    if missing := reached - names:
        raise SbomError(f"the lock has no {', '.join(sorted(missing))}; `./dev lock` makes it anew")
    while True:
        more = {entry.name for entry in locked if entry.needed_by & reached} - reached
        if not more:
            return reached
        reached |= more


def _named(entries: Iterable[_Locked]) -> Mapping[str, list[_Locked]]:
    named: dict[str, list[_Locked]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    return named


def _root(wheel: Wheel) -> Component:
    return Component(
        name=wheel.name,
        version=wheel.version,
        type=ComponentType.LIBRARY,
        bom_ref=wheel.name,
        purl=PackageURL("pypi", name=wheel.name, version=wheel.version),
        hashes=[_sha256(_digest(wheel.path.read_bytes()))],
    )


def _package(entry: _Locked, is_required: bool) -> Component:
    return Component(
        name=entry.name,
        version=entry.version,
        type=ComponentType.LIBRARY,
        bom_ref=entry.reference,
        scope=ComponentScope.REQUIRED if is_required else ComponentScope.OPTIONAL,
        purl=PackageURL("pypi", name=entry.name, version=entry.version),
        # One for each file of that version that the lock takes.
        hashes=[_sha256(one) for one in entry.hashes],
        properties=[Property(name="marker", value=entry.marker)] if entry.marker else [],
    )


def _files(wheel: Path) -> Iterator[Component]:
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            yield Component(
                name=name,
                type=ComponentType.FILE,
                bom_ref=f"file:{name}",
                hashes=[_sha256(_digest(archive.read(name)))],
            )


def _sha256(content: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
