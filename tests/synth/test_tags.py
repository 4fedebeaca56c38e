"""Tags reach the job, by CDK's ways and by its own."""

from aws_cdk import Aws, Tags

from cdk_braket import ContainerImage, HybridJob
from tests.synth.support import LOCAL, image_job, new_stack, request_of, tags_of


def test_tags_of_any_scope_above_reach_the_job() -> None:
    stack = new_stack()
    job = image_job(stack)
    Tags.of(stack.node.root).add("app", "a")
    Tags.of(stack).add("stack", "s")
    Tags.of(job).add("job", "j")
    assert tags_of(stack) == {"app": "a", "stack": "s", "job": "j"}


def test_explicit_tags_win_over_the_scopes() -> None:
    stack = new_stack()
    HybridJob(
        stack, "Job", image=ContainerImage.base(), device=LOCAL, tags={"team": "mine", "a": "b"}
    )
    Tags.of(stack).add("team", "theirs", priority=500)
    assert tags_of(stack) == {"team": "mine", "a": "b"}


def test_tags_are_outside_the_definition() -> None:
    stack = new_stack()
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, tags={"team": "mine"})
    assert "tags" not in request_of(stack)


def test_tags_can_be_limited_to_jobs_and_removed() -> None:
    stack = new_stack()
    image_job(stack)
    Tags.of(stack).add("jobs", "1", include_resource_types=["Custom::BraketHybridJob"])
    Tags.of(stack).add("others", "1", exclude_resource_types=["Custom::BraketHybridJob"])
    Tags.of(stack).add("gone", "1")
    Tags.of(stack).remove("gone", priority=300)
    assert tags_of(stack) == {"jobs": "1"}


def test_a_tags_value_may_be_a_token() -> None:
    stack = new_stack(region=None)
    image_job(stack)
    Tags.of(stack).add("region", Aws.REGION)
    assert tags_of(stack) == {"region": "<{'Ref': 'AWS::Region'}>"}
