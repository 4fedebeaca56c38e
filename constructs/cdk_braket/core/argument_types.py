"""Checks that arguments are of the types that the signatures declare.

Users who run no type checker get an error that names the argument and the fix. Otherwise a string
could be read letter by letter, or another library would raise an error. The annotations are the one
source: a new argument is checked without a further line here.
"""

import enum
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import cache, wraps
from types import GenericAlias, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from aws_cdk import RemovalPolicy

from cdk_braket._lambda.braket_jobs.contract import OnDelete
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.plain import Hyperparameter, hyperparameter_text, plain
from cdk_braket.core.validation_error import ValidationError

Annotation: TypeAlias = Any
"""An annotation in a signature: a type, a union, an alias with arguments."""

_P = ParamSpec("_P")
_R = TypeVar("_R")

if TYPE_CHECKING:
    from constructs import IConstruct

_LISTS: Final = (Sequence, Collection, Iterable, list, tuple, set, frozenset)
_NUMBERS: Final = (int, float)


def wrong_types(function: Callable[..., object], arguments: Mapping[str, object]) -> list[Issue]:
    """Return an issue for each argument that is of another type than it is declared.

    Args:
        function: The function whose annotations count.
        arguments: Its arguments by name.
    """
    hints = _hints(function)
    found = [_issues(name, value, hints[name]) for name, value in arguments.items()]
    return [issue for issues in found for issue in issues]


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Check the types of a function's arguments at each call.

    The errors name the construct that the function is called on or creates, or the function.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python reports the missing argument best
        named = {name: value for name, value in given.items() if name != "self"}
        if issues := wrong_types(function, named):
            raise ValidationError(_place(function, given), issues)
        return function(*args, **kwargs)

    return call


def _place(function: Callable[..., object], given: Mapping[str, object]) -> str:
    scope, own_id = given.get("scope", given.get("self")), given.get("id")
    if not hasattr(scope, "node"):
        return function.__qualname__
    path = cast("IConstruct", scope).node.path
    return f"{path}/{own_id}".lstrip("/") if isinstance(own_id, str) else path


@cache
def _hints(function: Callable[..., object]) -> dict[str, Annotation]:
    hints: dict[str, Annotation] = get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:  # `*actions: str` arrives as a tuple
            hints[parameter.name] = GenericAlias(tuple, (hints[parameter.name], ...))
    return hints


@cache
def _fields(owner: type) -> dict[str, Annotation]:
    """The fields of an options class that a user sets."""
    hints = get_type_hints(owner, localns={owner.__name__: owner})
    return {each.name: hints[each.name] for each in fields(owner) if each.repr}


def _issues(name: str, value: object, expected: Annotation) -> Iterator[Issue]:
    if expected is Any or expected is object or expected is inspect.Parameter.empty:
        return
    if expected == Hyperparameter:
        yield from _hyperparameter_issues(name, value)
        return
    options = _members(expected)
    if value is None and type(None) in options:
        return
    known = [each for each in options if each is not type(None)]
    if len(known) == 1:
        yield from _issues_of_one(name, value, known[0], is_optional=len(options) > 1)
    elif not any(_fits(value, each) for each in known):
        nouns = " or ".join(dict.fromkeys(_noun(each) for each in known))
        yield _issue(name, value, nouns, _fix(value, known[0], is_optional=False))


def _issues_of_one(
    name: str, value: object, expected: Annotation, *, is_optional: bool
) -> Iterator[Issue]:
    origin: object = get_origin(expected) or expected
    if origin in _LISTS:
        yield from _list_issues(name, value, expected)
    elif origin is Mapping:
        yield from _mapping_issues(name, value, expected)
    elif not _fits(value, expected):
        fix = _fix(value, expected, is_optional=is_optional)
        yield _issue(name, value, _noun(expected), fix)
    elif is_dataclass(expected) and isinstance(expected, type):
        for field, hint in _fields(expected).items():
            yield from _issues(f"{name}.{field}", getattr(value, field), hint)


def _list_issues(name: str, value: object, expected: Annotation) -> Iterator[Issue]:
    """A string is a sequence of its letters, which is never meant."""
    (element,) = get_args(expected)[:1] or (object,)
    if isinstance(value, (str, bytes)):
        one = _fix(value, element, is_optional=False) if element is not str else ""
        usable = isinstance(value, str) and (element is str or isinstance(element, enum.EnumType))
        fix = f"Use [{shorten(value)}]" if usable and isinstance(value, str) else one
        yield _issue(name, value, f"a list of {_plural(element)}", fix)
        return
    kind = cast("type", get_origin(expected) or expected)
    if not isinstance(value, kind) or isinstance(value, Mapping):
        fix = f"Use [{_example(element)}]"
        yield _issue(name, value, f"a list of {_plural(element)}", fix)
        return
    for index, each in enumerate(cast("Iterable[object]", value)):
        yield from _issues(f"{name}[{index}]", each, element)


def _mapping_issues(name: str, value: object, expected: Annotation) -> Iterator[Issue]:
    key_type, element = get_args(expected)
    if not isinstance(value, Mapping):
        yield _issue(name, value, "a dict", f"Use {{'name': {_example(element)}}}")
        return
    for key, each in value.items():
        shown = f"{name}[{shorten(key) if isinstance(key, str) else type(key).__name__}]"
        if not _fits(key, key_type):
            rule = f"expected a string as key, got {type(key).__name__}"
            yield Issue(shown, rule, "Use a string as key")
        yield from _issues(shown, each, element)


def _hyperparameter_issues(name: str, value: object) -> Iterator[Issue]:
    if hyperparameter_text(value) is not None:
        return
    kind = "None" if value is None else type(value).__name__
    rule = f"expected a string, a number or a bool, got {kind}"
    yield Issue(name, rule, _hyperparameter_fix(value))


def _hyperparameter_fix(value: object) -> str:
    if value is None:
        return "Remove the key"
    if hasattr(value, "__fspath__"):
        return "Put the file into an input channel, or use str(…) for a path on the instance"
    if isinstance(value, enum.Enum):
        return f"Use {type(value).__name__}.{value.name}.value, as a string or a number"
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return "Use json.dumps(…), or put it into an input channel"
    return "Use str(…)"


def _origin(expected: Annotation) -> object:
    return get_origin(expected)


def _members(expected: Annotation) -> tuple[Annotation, ...]:
    return get_args(expected) if _origin(expected) in {Union, UnionType} else (expected,)


def _fits(value: object, expected: Annotation) -> bool:
    if expected in _NUMBERS or expected in {str, bool}:
        return _fits_scalar(plain(value), expected)
    if _origin(expected) is Literal:
        return plain(value) in get_args(expected)
    if isinstance(expected, type) and issubclass(expected, enum.StrEnum):
        return isinstance(value, expected) or (type(value) is str and value in set(expected))
    if getattr(expected, "_is_protocol", False):
        return _has(value, _first_member(expected))
    if (origin := _origin(expected)) is not None:
        return callable(value) if origin is Callable else not list(_issues("", value, expected))
    return not isinstance(expected, type) or isinstance(value, expected)


def _fits_scalar(value: object, expected: type) -> bool:
    if expected is float:
        return isinstance(value, _NUMBERS) and not isinstance(value, bool)
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def _has(value: object, member: str) -> bool:
    # Check the class first: reading a property of a CDK object calls Node.
    return hasattr(type(value), member) or hasattr(value, member)


@cache
def _first_member(protocol: type) -> str:
    """Return a member that distinguishes an interface from others: its first property or method."""
    own = {name: each for name, each in vars(protocol).items() if not name.startswith("_")}
    properties = [name for name, each in own.items() if isinstance(each, property)]
    return next(iter(properties or own))


def _issue(name: str, value: object, nouns: str, fix: str) -> Issue:
    shown = shorten(value) if type(value) is str else ""
    kind = (
        "None" if value is None else "a string" if isinstance(value, str) else type(value).__name__
    )
    return Issue(name, f"expected {nouns}, got {kind}", fix, shown)


# --- Words. ---

_SCALARS: Final[Mapping[object, tuple[str, str]]] = {
    str: ("a string", "strings"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "bools"),
}


_SAID_WITH_VOWEL: Final = ("s3.", "sns.", "sqs.")


def _noun(expected: Annotation) -> str:
    if expected in _SCALARS:
        return _SCALARS[expected][0]
    if _origin(expected) is Callable:
        return "a function"
    if _origin(expected) is Literal:
        return " or ".join(repr(each) for each in get_args(expected))
    name = _name(expected)
    # "an iam.IRole", "an s3.IBucket", "an sqs.IQueue": depends on how the first letter sounds.
    vowel = name[0] in "AEIOaeio" or name.startswith(_SAID_WITH_VOWEL)
    return f"{'an' if vowel else 'a'} {name}"


def _plural(expected: Annotation) -> str:
    return _SCALARS[expected][1] if expected in _SCALARS else _name(expected)


def _name(expected: Annotation) -> str:
    """A type as users write it: `s3.IBucket`, `Duration`."""
    name = str(getattr(expected, "__name__", expected))
    module = str(getattr(expected, "__module__", ""))
    package, _, service = module.rpartition(".")
    if package != "aws_cdk":
        return name
    return f"{service.removeprefix('aws_')}{'_' if service == 'aws_lambda' else ''}.{name}"


def _example(expected: Annotation) -> str:
    return {str: "'…'"}.get(expected, "…") if expected in _SCALARS else "…"


def _fix(value: object, expected: Annotation, *, is_optional: bool) -> str:
    suggest = _FIXES.get(_name(expected))
    text = suggest(value) if suggest is not None else _usual_fix(expected)
    return f"{text}, or omit it" if is_optional and not text.endswith(".") else text


def _usual_fix(expected: Annotation) -> str:
    if expected is bool:
        return "Use True or False"
    if expected in _SCALARS:
        return f"Use {_SCALARS[expected][0]}"
    if isinstance(expected, enum.EnumType):
        return f"Use a constant of {_name(expected)}"
    return f"Use {_noun(expected)}"


def _amount(value: object) -> str | None:
    """Return the amount of a Python number or duration, as code."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    found = plain(value)
    return f"{found:g}" if _fits_scalar(found, float) else None


def _text(value: object) -> str:
    return shorten(value) if isinstance(value, str) else "…"


def _device_fix(value: object) -> str:
    if isinstance(value, str):
        if value.startswith("local:"):
            return f"Use Device.local({shorten(value.removeprefix('local:'))})"
        if value.startswith("arn:"):
            return f"Use Device.from_arn({shorten(value)})"
        if value.count("/") == 1:
            return f"Use Device.local({shorten(value)})"
    return "Use a constant of Device, Device.from_arn(…) or Device.local(…)"


def _channel_fix(value: object) -> str:
    if isinstance(value, str) and value.startswith("s3://"):
        return f"Use InputChannel.from_s3_uri({shorten(value)})"
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return f"Use InputChannel.from_asset({shorten(str(value))})"
    return "Use InputChannel.from_asset(…), .from_bucket(…) or .from_s3_uri(…)"


def _algorithm_fix(value: object) -> str:
    if isinstance(value, str) and value.startswith("s3://"):
        return "Use AlgorithmScript.from_bucket(bucket, key, entry_point=…)"
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return f"Use AlgorithmScript.from_asset({shorten(str(value))}, entry_point=…)"
    return "Use AlgorithmScript.from_asset(…) or .from_bucket(…)"


def _source_fix(value: object) -> str:
    if isinstance(value, str):
        return f"Use CheckpointSource.from_s3_uri({shorten(value)})"
    if hasattr(type(value), "checkpoint_s3_uri"):
        return "Use CheckpointSource.from_job(…)"
    return "Use CheckpointSource.from_job(…), .from_bucket(…) or .from_s3_uri(…)"


def _in_scope(call: str) -> Callable[[object], str]:
    """Return a fix that calls an import function of CDK with the given string."""
    return lambda value: f"Use {call}(self, 'Id', {_text(value)})"


def _constant(owner: enum.EnumType) -> Callable[[object], str]:
    names = [str(each.name) for each in cast("type[enum.Enum]", owner)]
    usual = " or ".join(f"{owner.__name__}.{name}" for name in names[:2])
    return lambda value: next(
        (
            f"Use {owner.__name__}.{name}"
            for name in names
            if isinstance(value, str) and value.lower().replace("-", "_") == name.lower()
        ),
        f"Use {usual}",
    )


_FIXES: Final[Mapping[str, Callable[[object], str]]] = {
    "Duration": lambda value: f"Use Duration.seconds({_amount(value) or '…'})",
    "Size": lambda value: f"Use Size.gibibytes({_amount(value) or '…'})",
    "Device": _device_fix,
    "InstanceType": lambda value: (
        f"Use InstanceType.of({shorten(value)})"
        if isinstance(value, str)
        else "Use a constant of InstanceType, or InstanceType.of(…)"
    ),
    "InstanceConfig": lambda _: "Use InstanceConfig(instance_type=…)",
    "AlgorithmScript": _algorithm_fix,
    "ContainerImage": lambda value: (
        f"Use ContainerImage.from_uri({shorten(value)})"
        if isinstance(value, str)
        else "Use ContainerImage.base(), .from_ecr_repository(…) or .from_uri(…)"
    ),
    "InputChannel": _channel_fix,
    "CheckpointSource": _source_fix,
    "OutputData": lambda _: "Use OutputData(bucket=…, prefix=…)",
    "Checkpoint": lambda _: "Use Checkpoint(…)",
    "WaitForCompletion": lambda _: "Use WaitForCompletion(timeout=…)",
    "SpendingLimit": lambda _: "Use SpendingLimit(…)",
    "Distribution": lambda _: "Use Distribution.DATA_PARALLEL",
    "OnDelete": _constant(OnDelete),
    "RemovalPolicy": _constant(RemovalPolicy),
    "IHybridJobEnvironment": lambda _: "Use HybridJobEnvironment(…) or one of its from_…",
    "s3.IBucket": _in_scope("s3.Bucket.from_bucket_name"),
    "s3.BucketEncryption": lambda _: "Use s3.BucketEncryption.KMS or .S3_MANAGED",
    "kms.IKey": _in_scope("kms.Key.from_key_arn"),
    "iam.IRole": _in_scope("iam.Role.from_role_arn"),
    "iam.IManagedPolicy": _in_scope("iam.ManagedPolicy.from_managed_policy_arn"),
    "ec2.IVpc": lambda _: "Use ec2.Vpc.from_lookup(self, 'Id', vpc_id=…)",
    "ec2.ISecurityGroup": _in_scope("ec2.SecurityGroup.from_security_group_id"),
    "sqs.IQueue": _in_scope("sqs.Queue.from_queue_arn"),
    "sns.ITopic": _in_scope("sns.Topic.from_topic_arn"),
    "ecr.IRepository": _in_scope("ecr.Repository.from_repository_name"),
    "logs.RetentionDays": lambda _: "Use a constant such as logs.RetentionDays.ONE_YEAR",
    "PreflightCheck": lambda _: "Use a constant of PreflightCheck",
}
