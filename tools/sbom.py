"""The bill of materials of a wheel: the packages that it requires, as locked, and its files."""

import hashlib
import json
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import lock

_LICENSE = "License :: "
_NAMESPACE = uuid.UUID("5f5c0a52-5d0b-5c0e-9e55-1c3b0c4b8f3a")


class SbomError(Exception):
    """The bill does not fit its schema, or the lock lacks a package that the wheel requires."""


def text(wheel: Path, project: dict[str, Any], lock_text: str, made_at: datetime) -> str:
    """Return the bill of a wheel as JSON; the same bytes for the same arguments.

    Raises:
        SbomError: The bill cannot be created.
    """
    locked = list(lock.entries(lock_text))
    direct = _names(project["dependencies"])
    required = _closure(locked, direct)
    extras = project.get("optional-dependencies", {}).values()
    optional = _closure(locked, _names(one for extra in extras for one in extra))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, digest + lock_text))
    root = _library(project["name"], project["version"], project["name"], [digest])
    bom.metadata.component, bom.metadata.timestamp = root, made_at
    packages = {
        entry: _package(entry, is_required=entry.name in required)
        for entry in locked
        if entry.name in required | optional
    }
    bom.components.update([*packages.values(), *_files(wheel)])
    for entry, package in packages.items():
        parents = [one for other, one in packages.items() if other.name in entry.needed_by]
        for parent in [root, *parents] if entry.name in direct else parents:
            bom.register_dependency(parent, [package])
    made = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(made):
        raise SbomError(f"the bill of materials does not fit its schema: {error}")
    # The library writes sets in an order of its own.
    return json.dumps(json.loads(made), indent=2, sort_keys=True) + "\n"


def _names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def _closure(locked: list[lock.Entry], reached: set[str]) -> set[str]:
    """Return the names of packages and of all that they require."""
    if missing := reached - {entry.name for entry in locked}:
        raise SbomError(f"the lock has no {', '.join(sorted(missing))}; run `./dev lock`")
    more = {entry.name for entry in locked if entry.needed_by & reached} - reached
    return _closure(locked, reached | more) if more else reached


def _package(entry: lock.Entry, *, is_required: bool) -> Component:
    package = _library(entry.name, entry.version, f"{entry.name}=={entry.version}", entry.hashes)
    if license_ := _license(entry):
        package.licenses.add(license_)
    package.scope = ComponentScope.REQUIRED if is_required else ComponentScope.OPTIONAL
    if entry.marker:
        package.properties.add(Property(name="marker", value=entry.marker))
    return package


def _license(entry: lock.Entry) -> License | None:
    """Return the license by the metadata of the installed package.

    The bill must not depend on the machine. So a package that only some platforms install has none.
    """
    if entry.marker:
        return None
    try:
        package = metadata.distribution(entry.name)
    except metadata.PackageNotFoundError:
        raise SbomError(f"{entry.name} is not installed; run `./dev setup`") from None
    if package.version != entry.version:
        raise SbomError(
            f"{entry.name} {package.version} is installed instead of {entry.version}; "
            "run `./dev setup`"
        )
    fields = package.metadata
    if "License-Expression" in fields:
        return LicenseExpression(fields["License-Expression"])
    classifiers = [one for one in fields.get_all("Classifier", []) if one.startswith(_LICENSE)]
    names = [one.rpartition(" :: ")[2] for one in classifiers] or [fields["License"]]
    return DisjunctiveLicense(name=" or ".join(names).partition("\n")[0])


def _library(name: str, version: str, reference: str, hashes: Iterable[str]) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=reference,
        purl=PackageURL("pypi", name=name, version=version),
        hashes=_hashes(hashes),
    )


def _hashes(digests: Iterable[str]) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests]


def _files(wheel: Path) -> Iterator[Component]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            digest = hashlib.sha256(archive.read(name)).hexdigest()
            reference, kind = f"file:{name}", ComponentType.FILE
            yield Component(name=name, type=kind, bom_ref=reference, hashes=_hashes([digest]))
