"""Whether a hyperparameter looks like a credential. The value is never shown.

Hyperparameters are stored with the job, shown in the console and echoed to its log.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from .finding import Finding, PreflightCheck, Severity

# Forms that their issuers document, so that scanners can find them.
_FORMS: Final = (
    ("an AWS access key id", r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("an AWS session token", r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9/+=]{40,}"),
    ("a presigned AWS URL", r"[?&]X-Amz-(?:Signature|Security-Token|Credential)="),
    ("a private key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
    ("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"),
    ("a GitLab token", r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/"),
    ("a Google API key", r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}"),
    ("a PyPI token", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    ("an npm token", r"npm_[A-Za-z0-9]{36}"),
    ("a Hugging Face token", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"),
    ("a Stripe key", r"(?:sk|rk)_live_[A-Za-z0-9]{16,}"),
    ("an API key", r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}"),
    ("a JSON Web Token", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    ("a URL with a password", r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@?#]*:[^\s/@?#]+@"),
    ("an authorization header", r"(?i:\b(?:bearer|basic)\s+[A-Za-z0-9._~+/-]{16,})"),
    (
        "a connection string with a key",
        r"(?i:\b(?:AccountKey|SharedAccessKey|password|pwd)=[^;\s]+)",
    ),
    ("a credential", r"(?i:\baws_(?:secret_access_key|session_token)\b\s*[=:]\s*\S+)"),
)
_FORM: Final = tuple((name, re.compile(pattern)) for name, pattern in _FORMS)

# An AWS secret access key has no prefix: 40 characters of base64.
_SECRET_KEY: Final = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
# Random base64 of that length has about 4.7 bits a character; a path or a sentence has under 4.
_RANDOM_BITS: Final = 4.2

_TELLING_NAMES: Final = frozenset(
    {
        "accesstoken", "apikey", "apisecret", "apitoken", "authtoken", "clientsecret",
        "credential", "credentials", "passphrase", "passwd", "password", "privatekey", "pwd",
        "refreshtoken", "secret", "secretaccesskey", "secretkey", "sessiontoken",
    }
)  # fmt: skip
_ADDRESSES: Final = re.compile(r"arn:|/|s3://|\$\{")
_PLAIN: Final = re.compile(r"(?i)true|false|none|null|yes|no|[-+.\d_e]+")
# Far more than the API accepts, and short enough for patterns that read parts of it twice.
_SCANNED: Final = 10_000

TOKEN: Final = re.compile(r"\$\{Token\[")
"""The form at synth of a value that is known only at deploy time."""

_FIX: Final = "Keep it in AWS Secrets Manager, pass the secret's name, and let the script read it."


def check_credentials(hyperparameters: Mapping[str, str]) -> Iterator[Finding]:
    """Name the hyperparameters whose value, or whose name, is a credential's."""
    for name, value in hyperparameters.items():
        kind = _kind(name, value)
        if kind:
            yield Finding(
                PreflightCheck.CREDENTIALS,
                Severity.ERROR,
                f"hyperparameter {name!r}",
                f"looks like {kind}; hyperparameters are stored and logged as they are. {_FIX}",
            )


def _kind(name: str, value: str) -> str | None:
    value = value[:_SCANNED]
    if TOKEN.search(value):
        return None
    for kind, pattern in _FORM:
        if pattern.search(value):
            return kind
    if any(_is_random(match.group()) for match in _SECRET_KEY.finditer(value)):
        return "an AWS secret access key"
    if _names_credentials(name) and not (_ADDRESSES.match(value) or _PLAIN.fullmatch(value)):
        return "a credential by its name"
    return None


def _names_credentials(name: str) -> bool:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    joined = "".join(words[-3:]).lower()
    return any(joined.endswith(telling) for telling in _TELLING_NAMES)


def _is_random(text: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    if not all(any(kind(character) for character in text) for kind in kinds):
        return False
    counts = Counter(text).values()
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return bits >= _RANDOM_BITS
