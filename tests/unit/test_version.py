"""The version of the package."""

import tomllib

import cdk_braket
from tests.docs.snippets import ROOT


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert getattr(cdk_braket, "__version__") == project["version"]  # noqa: B009 - resolved on first use
