"""MiniStack's ASGI application with our services and mends in it."""

import importlib
from typing import TYPE_CHECKING, cast

from cdk_braket_local.ministack_adapter import names

if TYPE_CHECKING:
    from cdk_braket_local.guard import Application


class LocalAwsApplication:
    """The local AWS as one ASGI application.

    MiniStack is imported here, not before: it reads its environment then.

    Raises:
        names.IncompatibleError: MiniStack is not the release that the adapter was written for.
    """

    def __init__(self) -> None:
        names.check()
        self.asgi = cast("Application", importlib.import_module("ministack.app").app)

    def close(self) -> None:
        """End what it started: jobs first, then Lambda functions."""
        importlib.import_module("ministack.core.lambda_runtime").reset()
