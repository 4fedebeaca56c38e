"""The server of a local AWS as it is, but that it writes down the secrets that it gives out.

They stand in `ISSUED` in its state directory, one a line, with what they are: see `leaks`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_local import server

# The server is run by its path: the suite is no package of its.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.local import lost_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication
    from cdk_braket_local.server import MakeBraket

ISSUED = "issued-secrets"

_application = server._application


def _recording(
    endpoint_url: str, directory: Path, make_braket: "MakeBraket"
) -> "LocalAwsApplication":
    application = _application(endpoint_url, directory, make_braket)
    # MiniStack reads its environment when it is imported.
    from ministack.services import iam, sts

    from cdk_braket_local.ministack_adapter import custom_resources

    def record(kind: str, secret: str) -> None:
        with (directory / ISSUED).open("a", encoding="utf-8") as file:
            file.write(f"{kind}\t{secret}\n")

    def register_session(access_key: str, session: dict[str, str]) -> None:
        record("secret access key", session["SecretAccessKey"])
        record("session token", session["SessionToken"])
        given_session(access_key, session)

    def presigned(name: str) -> str:
        signed = given_presigned(name)
        record("ResponseURL", signed.rpartition("=")[2])
        return signed

    given_session: Callable[[str, dict[str, str]], None] = sts.register_session
    given_presigned = custom_resources.presigned
    sts.register_session = register_session
    custom_resources.presigned = presigned
    keys = type(iam._access_keys)
    given_set = keys.__setitem__

    def set_item(self: object, name: str, value: object) -> None:
        if isinstance(value, dict) and "SecretAccessKey" in value:
            record("secret access key", value["SecretAccessKey"])
        given_set(self, name, value)

    keys.__setitem__ = set_item
    application.asgi = lost_answers.losing(
        application.asgi, directory, custom_resources.RESPONSE_PATH
    )
    return application


if __name__ == "__main__":
    server._application = _recording
    code = server.main()
    sys.stdout.flush()
    os._exit(code)
