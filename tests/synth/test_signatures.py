"""A string in the place of a list is refused by every function of the public API."""

import inspect
from collections.abc import Collection, Iterable, Sequence
from typing import get_args, get_origin, get_type_hints

import pytest
from aws_cdk import Stack
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

import cdk_braket
from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    IHybridJob,
    ValidationError,
)
from tests import public_api
from tests.synth.support import LOCAL, image_job, new_stack

_LISTS = {Sequence, Collection, Iterable, list, tuple, set, frozenset}


def _accepts_list(hint: object) -> bool:
    """Whether a list is expected, and no string: some accept one or several."""
    options = get_args(hint) if get_origin(hint) not in _LISTS else (hint,)
    if str in options:
        return False
    return get_origin(hint) in _LISTS or any(get_origin(each) in _LISTS for each in options)


def _list_parameters() -> list[tuple[str, str, str]]:
    found = []
    for class_name, name, function in public_api.functions():
        hints = get_type_hints(function, localns={"IHybridJob": IHybridJob})
        found += [(class_name, name, each) for each, hint in hints.items() if _accepts_list(hint)]
    return [each for each in found if each[2] != "return" and each[0] != "ValidationError"]


def test_the_parameters_that_accept_lists_are_found() -> None:
    assert {
        ("AlgorithmScript", "from_asset", "exclude"),
        ("InputChannel", "from_asset", "exclude"),
        ("HybridJob", "__init__", "disabled_checks"),
        ("HybridJob", "notify", "statuses"),
        ("HybridJob", "on_state_change", "statuses"),
        ("HybridJobDashboard", "__init__", "algorithm_metrics"),
        ("HybridJobDefinition", "__init__", "disabled_checks"),
        ("HybridJobEnvironment", "__init__", "security_groups"),
        ("HybridJobEnvironment", "hardened", "security_groups"),
    } <= set(_list_parameters())


def _others(stack: Stack, parameter: str) -> object:
    """A right value of another parameter, by its name."""
    if parameter == "topic":
        return sns.Topic(stack, "Topic")
    if parameter == "access_logs_bucket":
        return s3.Bucket.from_bucket_name(stack, "LogBucket", "logs")
    if parameter == "definition":
        return HybridJobDefinition(stack, "Job", image=ContainerImage.base(), device=LOCAL)
    return {
        "scope": stack,
        "id": "It",
        "path": "nowhere",
        "entry_point": "a:b",
        "device": LOCAL,
        "jobs": [],
        "vpc": None,
        "replication_bucket": None,
    }[parameter]


def _with_methods(stack: Stack, klass: type, name: str) -> object:
    """The object to call a function of a class on: the class itself, or an instance."""
    if klass not in {HybridJob, HybridJobDefinition}:
        return klass
    if isinstance(inspect.getattr_static(klass, name), staticmethod):
        return klass
    return image_job(stack) if klass is HybridJob else _others(stack, "definition")


@pytest.mark.parametrize(("owner", "name", "parameter"), _list_parameters())
def test_a_string_in_the_place_of_a_list_is_refused(owner: str, name: str, parameter: str) -> None:
    stack = new_stack()
    klass = getattr(cdk_braket, owner)
    function = klass if name == "__init__" else getattr(_with_methods(stack, klass, name), name)
    needed = {
        each.name: _others(stack, each.name)
        for each in inspect.signature(getattr(klass, name)).parameters.values()
        if each.default is inspect.Parameter.empty and each.name not in {"self", parameter}
    }
    with pytest.raises(ValidationError) as caught:
        function(**{**needed, parameter: "secret.md"})
    wrong = [text for text in caught.value.problems if text.startswith(f"{parameter}='secret.md'")]
    assert len(wrong) == 1
    assert ": expected a list of " in wrong[0]
    assert ", got a string. " in wrong[0]


def test_every_function_checks_the_types_of_its_arguments() -> None:
    """Constructors check theirs with all else that is wrong; other functions are marked."""
    at_once = {"__init__", "hardened", "run_job_task", "schedule"}
    tells_nothing = {"allow_waiting", "allow_events"}
    unmarked = {
        f"{owner}.{name}"
        for owner, name, function in public_api.functions()
        if name not in at_once | tells_nothing
        and len(inspect.signature(function).parameters) > 1
        and not hasattr(function, "__wrapped__")
    }
    assert unmarked <= {
        # Not for users: other modules of ours call them.
        "ContainerImage.bind", "ContainerImage.issue", "ContainerImage.known_uri",
        "HybridJobEnvironment.warn_of_key",
    }  # fmt: skip


def test_an_imported_jobs_functions_check_too() -> None:
    stack = new_stack()
    arn = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab"
    job = HybridJob.from_hybrid_job_arn(stack, "Other", arn)
    with pytest.raises(ValidationError, match=r"statuses='FAILED': expected a list of strings"):
        job.on_state_change("Rule", statuses="FAILED")
    with pytest.raises(ValidationError, match=r"grantee='x': expected an iam\.IGrantable"):
        job.grant_read("x")  # type: ignore[arg-type]  # the test passes a wrong type


def test_an_image_is_no_environment() -> None:
    with pytest.raises(ValidationError, match=r"image: expected a ContainerImage, got int"):
        HybridJobEnvironment(new_stack(), "Jobs").allow_image(3)  # type: ignore[arg-type]  # wrong
    assert ContainerImage.base()
