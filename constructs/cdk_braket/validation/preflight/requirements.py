r"""The requirements.txt files of an archive, as the container's pip would read them.

The container runs `pip install -r` on every requirements.txt of the archive, in the archive's top
level. It ignores pip's exit code. So a file that pip refuses installs no package, and the job fails
later, at the import. Source: `install_additional_requirements` in
`src/braket_container.py` of https://github.com/amazon-braket/amazon-braket-containers. The syntax
is that of https://pip.pypa.io/en/stable/reference/requirements-file-format/ and PEP 508.
"""

import codecs
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cdk_braket.assets.packaging import SourceFile, shown

from .finding import Finding, PreflightCheck, Severity
from .images import distributions_of, normalized

FILE_NAME: Final = "requirements.txt"

_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_VARIABLE: Final = re.compile(r"\$\{[A-Z0-9_]+\}")
_HASHES: Final = re.compile(
    r"\s+(?:--(?:hash|global-option|config-settings?)|-C)(?:\s*=\s*|\s+)\S+(?=\s|$)"
)
# Options of a whole file, and whether each takes a value.
_OPTIONS: Final = {
    "-i": True, "--index-url": True, "--pypi-url": True, "--extra-index-url": True,
    "--no-index": False, "-c": True, "--constraint": True, "-r": True, "--requirement": True,
    "-e": True, "--editable": True, "-f": True, "--find-links": True, "--no-binary": True,
    "--only-binary": True, "--prefer-binary": False, "--require-hashes": False, "--pre": False,
    "--trusted-host": True, "--use-feature": True, "--use-deprecated": True,
    "--always-unzip": False, "-Z": False,
}  # fmt: skip
_OPTION: Final = re.compile(r"(?P<name>--[a-z-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(?P<value>.*)")

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION: Final = (
    r"v?(?:\d+!)?\d+(?:\.\d+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?\d*)?"
    r"(?:-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?:[-_.]?dev[-_.]?\d*)?"
)
_LOCAL: Final = r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?"
_CLAUSE: Final = (
    rf"(?:===\s*[^\s,;)]+|(?:==|!=)\s*{_VERSION}(?:\.\*|{_LOCAL})"
    rf"|~=\s*(?=v?(?:\d+!)?\d+\.\d){_VERSION}|(?:<=|>=|<|>)\s*{_VERSION})"
)
_CLAUSES: Final = rf"{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*,?"
_REQUIREMENT: Final = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\[\s*(?:{_NAME}(?:\s*,\s*{_NAME})*)?\s*\])?\s*"
    rf"(?:(?:{_CLAUSES}|\(\s*(?:{_CLAUSES})?\s*\))?\s*(?:;(?P<marker>.*))?"
    r"|@\s*(?P<url>\S+)(?:\s+;.*)?)",
    re.IGNORECASE,
)
_MARKER_TOKEN: Final = re.compile(
    r"\s*(?:(?P<V>'[^']*'|\"[^\"]*\"|python_(?:full_)?version|os_name|sys[._]platform"
    r"|platform_(?:machine|python_implementation|release|system|version)|os\.name"
    r"|platform\.(?:version|machine|python_implementation)|python_implementation"
    r"|implementation_(?:name|version)|extras?\b|dependency_groups\b)"
    r"|(?P<O>===|==|~=|!=|<=|>=|<|>|in\b|not\s+in\b)|(?P<A>and\b|or\b)|(?P<P>[()]))"
)
_MARKER_RULES: Final = ((re.compile("VOV"), "E"), (re.compile("EAE"), "E"))

_WITH_PASSWORD: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^\s/:@]*:(?P<password>[^\s/@]+)@)"
    r"|(?:git\+)?https?://(?P<user>[^\s/:@]+)@",
    re.IGNORECASE,
)
_ARCHIVE: Final = re.compile(r"\.(?:whl|zip|tar\.gz|tgz|tar\.bz2)(?:\[.*\])?$", re.IGNORECASE)
_EGG: Final = re.compile(r"[#&]egg=(?P<name>[A-Za-z0-9._-]+)")
_WHEEL: Final = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-\d[^/]*\.whl")
_SHOWN_LENGTH: Final = 60
_SHORTEST_PART: Final = 3


@dataclass(slots=True)
class Requirements:
    """The packages that the requirements.txt files of an archive install.

    Attributes:
        distributions: Their normalized names.
        is_open: Whether some may have other names: a local folder, or a URL that names none.
        findings: Problems of the files.
        files: The files.
    """

    distributions: set[str] = field(default_factory=set)
    is_open: bool = False
    findings: list[Finding] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def offers(self, top: str) -> bool:
        """Whether a package may have a top-level module of that name."""
        if self.is_open or self.distributions & distributions_of(top):
            return True
        # A package's name often holds that of its module, as in python-magic or cadquery-ocp.
        plain = normalized(top).replace("-", "")
        if len(plain) < _SHORTEST_PART:
            return any(plain in each.split("-") for each in self.distributions)
        return any(plain in each.replace("-", "") for each in self.distributions)


def read_requirements(files: tuple[SourceFile, ...]) -> Requirements:
    """Read every requirements.txt of an archive, and the files that they name."""
    by_name = {file.name: file for file in files}
    found = Requirements()
    pending = [name for name in sorted(by_name) if posixpath.basename(name) == FILE_NAME]
    found.files = list(pending)
    seen: set[str] = set()
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        pending += _File(by_name, by_name[name], found).read()
    return found


@dataclass(slots=True)
class _File:
    by_name: dict[str, SourceFile]
    file: SourceFile
    found: Requirements

    def read(self) -> list[str]:
        """Process the file's lines, and return the names of the files that it includes."""
        try:
            data = self.file.path.read_bytes()
        except OSError:
            return []  # packaging reports it
        text = _decoded(data)
        if text is None:
            self._report(1, "is not UTF-8, so pip cannot read it. Save it as UTF-8.")
            return []
        included: list[str] = []
        for number, line in _logical_lines(text):
            if self._has_password(number, line):
                continue
            plain = _VARIABLE.sub("x", line)
            if plain.startswith("-"):
                included += self._option(number, plain)
            else:
                self._requirement(number, _HASHES.sub("", plain))
        return included

    def _has_password(self, number: int, line: str) -> bool:
        match = _WITH_PASSWORD.search(_VARIABLE.sub("", line))
        if match is None:
            return False
        self.found.is_open = True
        self._report(
            number,
            "holds a password or token in a URL. The archive is stored in S3, where everyone who "
            "may read the job's inputs sees it. Remove and revoke it. Pack the package's wheel "
            "with the script, or install it into a custom image.",
            check=PreflightCheck.CREDENTIALS,
        )
        return True

    def _option(self, number: int, line: str) -> list[str]:
        match = _OPTION.fullmatch(line)
        name = match["name"] if match else line.split(maxsplit=1)[0]
        value = match["value"].strip() if match else ""
        if name not in _OPTIONS:
            self._report(
                number, f"pip knows no option {_cut(name)} there and refuses the file. Remove it."
            )
        elif _OPTIONS[name] and not value:
            self._report(number, f"{name} needs a value, so pip refuses the file. Add it.")
        elif name in {"-e", "--editable"}:
            self._location(number, value)
        elif name in {"-r", "--requirement", "-c", "--constraint"} and "://" not in value:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self.file.name), value))
            if path in self.by_name:
                return [path] if name in {"-r", "--requirement"} else []
            self._report(
                number,
                f"names {_cut(value)!r}, which is not in the archive, so pip refuses the file. "
                "Pack that file as well, or write its lines here.",
            )
        elif name in {"-r", "--requirement"}:
            self.found.is_open = True
        return []

    def _requirement(self, number: int, line: str) -> None:
        match = _REQUIREMENT.fullmatch(line)
        if match and not _ARCHIVE.search(line) and _is_marker(match["marker"]):
            self.found.distributions.add(normalized(match["name"]))
            if (match["url"] or "").startswith("file:"):
                self._report(number, _not_there(match["url"]))
            return
        if match and match["url"]:
            self.found.distributions.add(normalized(match["name"]))
            if match["url"].startswith("file:"):
                self._report(number, _not_there(match["url"]))
            return
        if _is_location(line):
            self._location(number, line)
            return
        self._report(
            number,
            f"pip cannot parse {_cut(line)!r} and then installs nothing of the file. {_fix(line)}",
        )

    def _location(self, number: int, value: str) -> None:
        """Process a URL or a path."""
        if named := _EGG.search(value) or _WHEEL.search(value):
            self.found.distributions.add(normalized(named["name"]))
        else:
            self.found.is_open = True
        if "://" in value and not value.startswith("file:"):
            return
        path = posixpath.normpath(value.partition("[")[0].strip().strip("'\""))
        if value.startswith("file:") or not self._holds(path):
            self._report(number, _not_there(value))

    def _holds(self, path: str) -> bool:
        if path.startswith(("/", "..")):
            return False
        return path == "." or any(
            name == path or name.startswith(f"{path}/") for name in self.by_name
        )

    def _report(
        self, number: int, message: str, check: PreflightCheck = PreflightCheck.REQUIREMENTS
    ) -> None:
        subject = f"{shown(self.file.name)}:{number}"
        self.found.findings.append(Finding(check, Severity.ERROR, subject, message))


def _not_there(value: str) -> str:
    return (
        f"names {_cut(value)!r}, which the container does not have: paths begin at the archive's "
        "top level. Pack the package with the script, through include_modules, and name its path "
        "there, or remove the line."
    )


def _decoded(data: bytes) -> str | None:
    """Decode as pip does: by the byte order mark, else as UTF-8."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, continued ones joined, each with its first number."""
    started, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        started = started or number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line[:-1].strip("\\"))
            continue
        if not (is_comment and parts):
            parts.append(line)
        if joined := _COMMENT.sub("", "".join(parts)).strip():
            yield started, joined
        started, parts = 0, []
    if joined := _COMMENT.sub("", "".join(parts)).strip():
        yield started, joined


def _is_marker(text: str | None) -> bool:
    """Return whether a string is an environment marker or empty."""
    if text is None:
        return True
    kinds, position = "", 0
    text = text.strip()
    while position < len(text):
        match = _MARKER_TOKEN.match(text, position)
        if match is None:
            return False
        kind = match.lastgroup or ""
        kinds += match.group().strip() if kind == "P" else kind
        position = match.end()
    before = ""
    while before != kinds:
        before = kinds
        kinds = kinds.replace("(E)", "E")
        for pattern, replacement in _MARKER_RULES:
            kinds = pattern.sub(replacement, kinds)
    return kinds == "E"


def _is_location(line: str) -> bool:
    return "://" in line or line.startswith((".", "/", "file:")) or bool(_ARCHIVE.search(line))


def _fix(line: str) -> str:
    name = re.match(_NAME, line)
    single = re.fullmatch(rf"(?P<name>{_NAME})\s*=\s*(?P<version>{_VERSION})(?:=\S*)?", line)
    if single:
        return f"Write `{single['name']}=={single['version']}`."
    if "/" in line or "\\" in line:
        return "Begin a path with `./`, from the archive's top level."
    if name and re.fullmatch(rf"{_NAME}\s+{_VERSION}", line):
        return f"Write `{'=='.join(line.split())}`."
    return "Write a line as `name==1.2`."


def _cut(text: str) -> str:
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"
