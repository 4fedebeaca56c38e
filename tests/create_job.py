"""CreateJob's request as the service model has it, member by member, for the tests that compare."""

from collections.abc import Iterator, Mapping

from cdk_braket._lambda.braket_jobs.api.service_model import Shape, shape

REQUEST = "CreateJobRequest"
EACH = "*"
KEYS = "<keys>"

Path = tuple[str, ...]


def members() -> dict[Path, Shape]:
    """Every member of the request, to its leaves.

    The values of a list or a map are at `EACH`, a map's keys are at `KEYS`.
    """
    return dict(_below(REQUEST, ()))


def _below(name: str, path: Path) -> Iterator[tuple[Path, Shape]]:
    found = shape(name)
    if path:
        yield path, found
    for member, inner in found.members.items():
        yield from _below(inner, (*path, member))
    if found.key:
        yield from _below(found.key, (*path, KEYS))
    if found.element:
        yield from _below(found.element, (*path, EACH))


def filled(request: object, name: str = REQUEST, path: Path = ()) -> set[Path]:
    """The members that a request has a value for, in the form that `members` has them.

    A member that the model does not know is a path that `members` does not have.
    """
    own = {path} if path else set()
    found = shape(name)
    if isinstance(request, Mapping) and found.key and found.element:
        keys = {(*path, KEYS)} if request else set()
        values = (filled(value, found.element, (*path, EACH)) for value in request.values())
        return own.union(keys, *values)
    if isinstance(request, Mapping):
        return own.union(
            *(
                filled(value, found.members[member], (*path, member))
                if member in found.members
                else {(*path, member)}
                for member, value in request.items()
            )
        )
    if isinstance(request, list) and found.element:
        return own.union(*(filled(each, found.element, (*path, EACH)) for each in request))
    return own
