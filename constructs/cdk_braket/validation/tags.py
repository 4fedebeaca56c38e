"""The rules of Amazon Braket for the tags of a job, also for those that `Tags.of(…)` adds."""

from collections.abc import Iterator, Mapping
from typing import Final

import jsii
from aws_cdk import TagManager
from constructs import Construct, IValidation

from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.tokens import is_unknown

# The service model states none of it. Source, to which the tagging page of Amazon Braket's
# developer guide leads: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
MAX_TAGS: Final = 50
MAX_KEY: Final = 128
MAX_VALUE: Final = 256
_RESERVED: Final = "aws:"


def tag_issues(tags: Mapping[str, str]) -> list[Issue]:
    """Return the issues of tags, beyond their types."""
    issues = [issue for key, value in tags.items() for issue in _issues_of_tag(key, value)]
    if len(tags) > MAX_TAGS:
        rule = f"expected at most {MAX_TAGS} tags, got {len(tags)}"
        issues.append(Issue("tags", rule, "Remove some, or use Tags.of(…).remove(…)"))
    return issues


def _issues_of_tag(key: object, value: object) -> Iterator[Issue]:
    if isinstance(key, str) and not is_unknown(key):
        name = f"tags[{shorten(key)}]"
        if key.lower().startswith(_RESERVED):
            rule = f"its key begins with {_RESERVED}, which AWS reserves"
            yield Issue(name, rule, "Use another key")
        if not 1 <= len(key) <= MAX_KEY:
            rule = f"its key: expected 1 to {MAX_KEY} characters, got {len(key)}"
            yield Issue(name, rule, "Use a shorter key" if key else "Name the tag")
    if isinstance(value, str) and not is_unknown(value) and len(value) > MAX_VALUE:
        rule = f"expected at most {MAX_VALUE} characters, got {len(value)}"
        yield Issue(f"tags[{shorten(str(key))}]", rule, "Use a shorter value")


def check_at_synth(owner: Construct, tags: TagManager) -> None:
    """Have the app fail at synth if the tags are wrong once all aspects have run.

    Args:
        owner: The construct whose tags they are.
        tags: The tags.
    """
    owner.node.add_validation(_Validation(tags))


@jsii.implements(IValidation)
class _Validation:
    def __init__(self, tags: TagManager) -> None:
        self._tags = tags

    def validate(self) -> list[str]:
        return [str(issue) for issue in tag_issues(self._tags.tag_values())]
