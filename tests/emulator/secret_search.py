"""Finds secrets in strings: whole or in part, and in all encodings."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote

LEAST_PART = 16
"""How many characters of a secret, one after the other, are a leak."""

LONG_VALUE = 64
"""The length from which the beginning of a hyperparameter is also searched for."""

# Any part of LEAST_PART characters has at least one whole piece of these in it.
_PIECE, _STRIDE = 12, 5
_BEGINNING = 32
_LETTERS = "A-Za-z0-9+/=_-"
_RUNS = re.compile(f"[{_LETTERS}]{{{LEAST_PART},}}")
_DECODED_RUNS = re.compile(f"[{_LETTERS}]{{{LEAST_PART},}}".encode())
_ESCAPED = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})|\\+(?=/)")
_URL_SAFE = str.maketrans("-_", "+/")

assert _PIECE + _STRIDE - 1 <= LEAST_PART


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that was issued.

    Attributes:
        kind: Its kind.
        text: The secret itself.
        owner: The name of its session; empty if it belongs to none.
    """

    kind: str
    text: str
    owner: str = ""


class Secrets:
    """Secrets to search for, in any number."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._by_piece: dict[str, Secret] = {}
        # What is written repeats itself: names and ARNs stand in line after line.
        self._known: dict[str, frozenset[Secret]] = {}
        for secret in secrets:
            for start in range(0, len(secret.text) - _PIECE + 1, _STRIDE):
                self._by_piece[secret.text[start : start + _PIECE]] = secret

    def found_in(self, text: str) -> set[Secret]:
        """Return the secrets of which a string contains a part."""
        runs = {run for form in _forms(text) for run in _RUNS.findall(form)}
        return {secret for run in runs for secret in self._in_run_or_decoded(run)}

    def _in_run_or_decoded(self, run: str) -> frozenset[Secret]:
        known = self._known.get(run)
        if known is None:
            parts = [run, *_decoded(run)]
            known = frozenset(secret for part in parts for secret in self._in_run(part))
            self._known[run] = known
        return known

    def _in_run(self, run: str) -> Iterator[Secret]:
        for start in range(len(run) - _PIECE + 1):
            secret = self._by_piece.get(run[start : start + _PIECE])
            if secret is not None and _share_a_part(secret.text, run):
                yield secret


def _share_a_part(secret: str, run: str) -> bool:
    ends = range(LEAST_PART, len(secret) + 1)
    return any(secret[end - LEAST_PART : end] in run for end in ends)


def _forms(text: str) -> set[str]:
    unescaped = _ESCAPED.sub(_unescaped, text) if "\\" in text else text
    return {text, unescaped, unquote(unescaped) if "%" in unescaped else unescaped}


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else ""


def _decoded(run: str) -> Iterator[str]:
    """Return the decoded forms of a string that may be base64, from any start."""
    if run.islower() or run.isupper():
        return  # names, paths and digests are no base64 of a text
    for part in run.translate(_URL_SAFE).split("="):
        for start in range(4):
            yield from _base64(part[start:])


def _base64(part: str) -> Iterator[str]:
    try:
        decoded = base64.b64decode(part[: len(part) // 4 * 4])
    except binascii.Error:
        return
    for inner in _DECODED_RUNS.findall(decoded):
        yield inner.decode()


def forms_of(value: str) -> Sequence[str]:
    """Return the encodings of a hyperparameter's value to search for."""
    beginning = [value[:_BEGINNING]] if len(value) >= LONG_VALUE else []
    once = [_in_json(value), json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]]
    # The request is JSON within the JSON of an event.
    twice = [_in_json(form) for form in once]
    encoded = [quote(value), quote(value, safe=""), quote_plus(value)]
    return sorted({value, *beginning, *once, *twice, *encoded})


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]
