"""Buckets in the name of the host, as SDKs write them for an endpoint like http://localhost:4566.

MiniStack looks for them below its own name only, which here is 127.0.0.1.
"""

from ministack import app


def install() -> None:
    """Have `<bucket>.localhost` name a bucket."""
    app._MINISTACK_HOST = "localhost"
