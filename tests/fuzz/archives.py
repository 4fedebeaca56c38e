"""Hostile archives."""

import gzip
import io
import tarfile
from pathlib import Path


def tar(*members: tuple[tarfile.TarInfo, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive, not compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as opened:
        for member, content in members:
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    """One header block, with any bytes after it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    """Content as it stands in an archive: in whole blocks."""
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A PAX header with these records."""
    return header(kind, len(records)) + padded(records)


def record(key: str, value: str) -> bytes:
    """One PAX record."""
    rest = f" {key}={value}\n".encode()
    size = len(rest)
    while len(f"{size}") + len(rest) != size:
        size = len(f"{size}") + len(rest)
    return f"{size}".encode() + rest


def written(folder: Path, content: bytes, *, compressed: bool = True) -> Path:
    """The file of an archive."""
    path = folder / "source.tar.gz"
    path.write_bytes(gzip.compress(content, 1) if compressed else content)
    return path
