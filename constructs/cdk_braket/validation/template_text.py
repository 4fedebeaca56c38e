"""Texts that the service model allows, and that no template can carry, or should."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, cast

from aws_cdk import CfnDynamicReference, Stack, Tokenization
from constructs import IConstruct

from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket._lambda.braket_jobs.api.service_rules import is_unicode, unfit_texts
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.tokens import is_token, is_unknown, tokens_in

_Path = tuple[str | int, ...]

# What CloudFormation fills in with a secret. Source:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
_SECRETS: Final = ("{{resolve:secretsmanager:", "{{resolve:ssm-secure:")


# Node writes the template, whose numbers hold whole ones up to this. Source:
# https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Number/MAX_SAFE_INTEGER
_LARGEST: Final = 2**53 - 1

_NO_UNICODE: Final = Issue(
    "", "holds half of a character (a lone surrogate)", "Use text that can be written as UTF-8"
)
_NO_TOKEN: Final = Issue(
    "",
    "looks like a token of the CDK, and is none of this app",
    "Pass tokens on as they are, and write no '${Token[' or number like one yourself",
)
# Node replaces a map that has such a key by an object of its own. Source: `WireFormat` in
# https://github.com/aws/jsii/blob/main/packages/@jsii/kernel/src/api.ts
_JSII_BEGINS: Final = "$jsii."
_NO_KEY: Final = Issue(
    "",
    f"its key begins with {_JSII_BEGINS}, which the CDK for Python reads itself",
    "Use another key",
)
_NO_NUMBER: Final = Issue("", "is a number that no template can carry", "Use a smaller one")
_SECRET: Final = Issue(
    "",
    "refers to a secret, which CloudFormation would write into the request, where many may read it",
    "Give the script the secret's name, and have it read the secret (docs/explain/secrets.md)",
)


def text_problems(
    request: Mapping[str, object], scope: IConstruct
) -> Iterator[tuple[Problem, str]]:
    """Find the issues of the strings of a request, keys included, beyond their shapes.

    Args:
        request: The CreateJob request, or a part of it; may hold tokens.
        scope: Where tokens are resolved.

    Returns:
        Each problem, and its fix.
    """
    for path, value in _leaves(request, ()):
        issue = text_issue("", value)
        if issue is None and _is_key_of_jsii(path, value):
            issue = _NO_KEY
        if issue is None and path[0] == "hyperParameters" and _refers_to_secret(value, scope):
            issue = _SECRET
        if issue is not None:
            yield Problem(path, Rule.PATTERN, issue.rule, value), issue.fix
    for path, text, message in unfit_texts(request):
        # Of a token nothing is known yet, and half of a character is reported above.
        if text_issue("", text) is None and not is_unknown(text):
            fix = "Use a URI as S3 shows it, and an entry point as Python has it"
            yield Problem(path, Rule.PATTERN, message, text), fix


def _is_key_of_jsii(path: _Path, value: object) -> bool:
    return isinstance(value, str) and value.startswith(_JSII_BEGINS) and path[-1] == value


def text_issue(argument: str, value: object) -> Issue | None:
    """Return why no template can carry a string or a number; None if it can.

    Args:
        argument: The argument that it is given in.
        value: The string or number; any other value is passed over.
    """
    found = _found(value)
    if found is None:
        return None
    shown = shorten(value) if isinstance(value, str) else "a large number"
    if isinstance(value, float):
        shown = f"{value:g}"
    return replace(found, argument=argument, shown=shown)


def _found(value: object) -> Issue | None:
    if isinstance(value, str) and not is_unicode(value):
        return _NO_UNICODE
    if isinstance(value, int) and abs(value) > _LARGEST:
        return _NO_NUMBER
    return None if _is_known_to_cdk(value) else _NO_TOKEN


def _leaves(value: object, path: _Path) -> Iterator[tuple[_Path, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*path, key), key
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _is_known_to_cdk(value: object) -> bool:
    """Whether CDK knows the tokens in a value. It raises an error without a name when it renders.

    Strings are checked here first. CDK's own check, a call to Node, runs once for each token,
    because a token stays one for as long as the process runs.
    """
    tokens = tokens_in(value) if isinstance(value, str) else [value] if is_token(value) else []
    return all(_is_known(cast("str | float", token)) for token in tokens)


@cache
def _is_known(token: str | float) -> bool:
    try:
        if isinstance(token, str):
            return bool(Tokenization.reverse_string(token))
        return Tokenization.reverse_number(token) is not None
    except RuntimeError:
        return False


def _refers_to_secret(value: object, scope: IConstruct) -> bool:
    if not isinstance(value, str):
        return False
    if not is_token(value):
        return _names_secret(value)
    # `SecretValue.unsafe_unwrap()` makes such a token. What others become is not asked for: they
    # may be known only when the app is rendered.
    tokens = Tokenization.reverse_string(value).tokens
    references = [token for token in tokens if isinstance(token, CfnDynamicReference)]
    rendered = [json.dumps(Stack.of(scope).resolve(token)) for token in references]
    return any(_names_secret(text) for text in [value, *rendered])


def _names_secret(text: str) -> bool:
    return any(beginning in text for beginning in _SECRETS)
