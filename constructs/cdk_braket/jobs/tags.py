"""The tags of a job, which aspects can change until the app is synthesized."""

from collections.abc import Mapping
from typing import Final

import jsii
from aws_cdk import IResolvable, IResolveContext, Stack, TagManager, TagType, Token
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api.nested_properties import is_plain_map
from cdk_braket._lambda.braket_jobs.contract import RESOURCE_TYPE
from cdk_braket.core.plain import plain
from cdk_braket.validation.tags import check_at_synth

# The job's own tags override the tags of CDK, whose priorities are 50 to 100.
_EXPLICIT: Final = 1_000_000


@jsii.implements(IResolvable)
class JobTags:
    """The tags of a job, and their place in the template.

    They are a JSON string there if a key cannot be in a template, and left out if there are none.
    """

    def __init__(self, owner: Construct, given: Mapping[str, str]) -> None:
        """Keep the tags that the user gave.

        Args:
            owner: The construct that has the tags.
            given: Its own tags, which are stronger than those of the scopes.
        """
        self._owner = owner
        self._given = {key: str(plain(value)) for key, value in given.items()}
        self._manager: TagManager | None = None

    @property
    def manager(self) -> TagManager:
        """CDK's interface to the tags. Most jobs need none, and it costs calls to Node."""
        if self._manager is None:
            self._manager = TagManager(TagType.MAP, RESOURCE_TYPE, {})
            for key, value in self._given.items():
                self._manager.set_tag(key, value, _EXPLICIT)
            check_at_synth(self._owner, self._manager)
        return self._manager

    @property
    def creation_stack(self) -> list[str]:
        """Nothing: the owner has its own."""
        return []

    def resolve(self, _context: IResolveContext) -> object:
        """Return the tags as they are when all aspects have run."""
        tags = self._given if self._manager is None else dict(self._manager.tag_values())
        if not tags:
            return None
        return tags if is_plain_map(tags) else Stack.of(self._owner).to_json_string(tags)

    def to_string(self) -> str:
        """Return a string that resolves to the tags."""
        return Token.as_string(self)
