"""The server of a local AWS that leaves credentials of Braket's service-linked role in a file."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_local import server
from cdk_braket_local.braket.platform import Caller

if TYPE_CHECKING:
    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication
    from cdk_braket_local.server import CreateBraket

CREDENTIALS = "service-linked-credentials"

_application = server._application


def _leaving(
    endpoint_url: str, directory: Path, create_braket: "CreateBraket"
) -> "LocalAwsApplication":
    application = _application(endpoint_url, directory, create_braket)
    # MiniStack reads its environment when it is imported.
    from cdk_braket_local.ministack_adapter.platform import MinistackPlatform

    caller = Caller(server.DEFAULT_ACCOUNT, server.DEFAULT_REGION, "")
    session = MinistackPlatform(endpoint_url).service_linked_session(caller, "tasks")
    (directory / CREDENTIALS).write_text(json.dumps(asdict(session)), encoding="utf-8")
    return application


if __name__ == "__main__":
    server._application = _leaving
    code = server.main()
    sys.stdout.flush()
    os._exit(code)
