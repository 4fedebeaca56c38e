"""The deployed asset of this library, imported as AWS Lambda imports it."""

import sys
from importlib.util import find_spec
from pathlib import Path

package = find_spec("cdk_braket")
assert package is not None
assert package.origin is not None
sys.path.insert(0, str(Path(package.origin).parent / "_lambda"))

# After its folder is on the path.
from braket_jobs.handler.index import handler  # type: ignore[import-not-found]  # noqa: E402

__all__ = ["handler"]
