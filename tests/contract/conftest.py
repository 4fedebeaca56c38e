"""The local AWS, for the contract of its Braket service."""

from tests.local.conftest import local_aws

__all__ = ["local_aws"]
