"""The environment that MiniStack, Lambda functions and jobs run in.

MiniStack reads about a hundred variables, most of them at import, and passes its whole environment
to Lambda functions. So only those variables of the user are passed that programs need in order to
run. No AWS setting is among them: a real profile must never be used.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdk_braket_local import settings

IAM_DELAY = "CDK_BRAKET_LOCAL_IAM_DELAY"
"""The environment variable with the seconds until a policy of IAM takes effect."""

_LONGEST_IAM_DELAY = 600

_TAKEN_OVER = frozenset(
    {
        IAM_DELAY,
        *settings.VARIABLES,
        "HOME",
        "LANG",
        "LD_LIBRARY_PATH",
        "NODE_EXTRA_CA_CERTS",
        "NODE_PATH",
        "PATH",
        "PYTHONPATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "XDG_CACHE_HOME",
    }
)
# How jobs install their requirements: settings of pip and uv, and of a proxy.
_TAKEN_OVER_PREFIXES = ("LC_", "PIP_", "UV_", "PYTHONWARNINGS", "PYTHONDONTWRITE")
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
# The folders of the state directory that `server_environment` names.
FOLDERS = ("tmp", "s3", "state")
_LOCAL_HOSTS = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the local AWS: the region and the credentials of its one root user.

    Attributes:
        account: Its twelve-digit account.
        region: Its default region.
        access_key_id: The access key of the account's root user.
        secret_access_key: The secret that belongs to it.
    """

    account: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


def inherited(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the user's environment that the local AWS inherits.

    Start its server with these only: jobs can read the environment that a process started with.
    """
    return {name: value for name, value in base.items() if _is_inherited(name)}


def iam_delay(text: str) -> float:
    """Read the value of `IAM_DELAY`, in seconds; 0 if it is empty.

    Raises:
        ValueError: It is not a number from 0 to 600.
    """
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST_IAM_DELAY:
        raise ValueError(
            f"{IAM_DELAY}: expected seconds from 0 to {_LONGEST_IAM_DELAY}, got {text!r}. "
            f"Set it to a number such as 20, or unset it."
        )
    return seconds


def server_environment(
    base: Mapping[str, str], identity: Identity, port: int, state_directory: Path
) -> dict[str, str]:
    """Return the whole environment of the server process.

    Args:
        base: The environment of the process that starts it.
        identity: The identity of the local AWS.
        port: Its port on 127.0.0.1.
        state_directory: The folder of all its files; nothing is shared with another local AWS.
    """
    kept = inherited(base)
    programs = [kept.get("PATH", os.defpath), str(Path(sys.executable).parent)]
    kept["PATH"] = os.pathsep.join(programs)
    modules = [kept.get("NODE_PATH"), *_node_modules(Path.cwd())]
    kept["NODE_PATH"] = os.pathsep.join(path for path in modules if path)
    ours = _ministack_settings(identity, port, state_directory)
    return kept | _aws_settings(identity, port) | ours


def _node_modules(directory: Path) -> list[str]:
    """Return the folders of the modules that Lambda provides to Node functions (the AWS SDK)."""
    above = (folder / "node_modules" for folder in directory.parents)
    # Modules that are installed here later are also found.
    nearest = directory / "node_modules"
    return [str(nearest), *(str(candidate) for candidate in above if candidate.is_dir())]


def without_proxy(hosts: str) -> str:
    """Return the value of NO_PROXY that excludes the loopback from any proxy."""
    named = [host for host in hosts.split(",") if host]
    return ",".join([*named, *(host for host in _LOCAL_HOSTS if host not in named)])


def _is_inherited(name: str) -> bool:
    return name in _TAKEN_OVER or name.upper() in _PROXIES or name.startswith(_TAKEN_OVER_PREFIXES)


def _aws_settings(identity: Identity, port: int) -> dict[str, str]:
    no_proxy = without_proxy(os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")))
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_REGION": identity.region,
        "AWS_DEFAULT_REGION": identity.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _ministack_settings(identity: Identity, port: int, state_directory: Path) -> dict[str, str]:
    return {
        "AUTH": "true",
        "MINISTACK_ACCOUNT_ID": identity.account,
        "MINISTACK_REGION": identity.region,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "BIND_HOST": "127.0.0.1",
        "STATE_DIR": str(state_directory / "state"),
        "S3_DATA_DIR": str(state_directory / "s3"),
        "TMPDIR": str(state_directory / "tmp"),
        # Otherwise it would listen on another port, on all interfaces.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Otherwise it would remove containers that another MiniStack of the user's may own.
        "DOCKER_HOST": f"unix://{state_directory / 'no-docker'}",
        # INFO shows the output of Lambda functions and their events.
        "LOG_LEVEL": "WARNING",
    }
