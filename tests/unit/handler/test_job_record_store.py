"""Several changes of a record by one invocation, in one location and in two."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from cdk_braket._lambda.braket_jobs.handler import job_record
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.job_record import JobRecord, Seen
from cdk_braket._lambda.braket_jobs.handler.job_record_store import JobRecordStore
from cdk_braket._lambda.braket_jobs.handler.properties import Encryption, Location
from cdk_braket._lambda.braket_jobs.handler.retries import Budget, Calls, Tools
from tests.unit.handler.worlds import World

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/Vqe/1"
OLD, NEW = Location("old", "jobs"), Location("new", "jobs")
DENIED = ServiceError("GetObject", "AccessDenied", "explicit deny", Kind.PERMANENT)


def _store(
    world: World, *records: Location, moves: bool = False, is_new: bool = False
) -> JobRecordStore:
    budget = Budget(world.time + 600, world.time + 700)
    tools = Tools(world, budget, lambda _decision, _details: None, random.Random(1))  # noqa: S311
    return JobRecordStore(Calls(tools), records, STACK, "Job", moves=moves, is_new=is_new)


def _change(store: JobRecordStore, name: str) -> None:
    store.change(lambda old: old.with_event(Seen(name)))


def _in(world: World, place: Location) -> JobRecord:
    return job_record.load(world.objects[place.bucket, job_record.key("jobs", STACK, "Job")][0])


def _events(record: JobRecord) -> list[str]:
    return [seen.id for seen in record.events]


@contextmanager
def _refused(world: World, bucket: str) -> Iterator[None]:
    """Refuse every call on a bucket."""
    read, write = world.read_record, world.write_record

    def read_record(location: Location) -> tuple[str, str] | None:
        if location.bucket == bucket:
            raise DENIED
        return read(location)

    def write_record(
        location: Location, text: str, version: str | None, encryption: Encryption | None = None
    ) -> str:
        if location.bucket == bucket:
            raise DENIED
        return write(location, text, version, encryption)

    world.read_record = read_record  # type: ignore[method-assign]
    world.write_record = write_record  # type: ignore[method-assign]
    yield
    world.read_record = read  # type: ignore[method-assign]
    world.write_record = write  # type: ignore[method-assign]


def test_a_change_after_a_change_reads_nothing() -> None:
    world = World()
    store = _store(world, OLD)
    for name in ("a", "b", "c"):
        _change(store, name)
    assert world.calls == ["read_record", "write_record", "write_record", "write_record"]
    assert _events(_in(world, OLD)) == ["a", "b", "c"]


def test_a_new_record_is_written_without_a_read_and_an_existing_one_is_read() -> None:
    world = World()
    _change(_store(world, OLD, is_new=True), "a")
    assert world.calls == ["write_record"]
    _change(_store(world, OLD, is_new=True), "b")
    assert world.calls[1:] == ["write_record", "read_record", "write_record"]
    assert _events(_in(world, OLD)) == ["a", "b"]


def test_a_change_of_another_invocation_is_not_overwritten() -> None:
    world = World()
    store, other = _store(world, OLD), _store(world, OLD)
    _change(store, "a")
    _change(other, "b")
    _change(store, "c")
    _change(other, "d")
    assert _events(_in(world, OLD)) == ["a", "b", "c", "d"]


def test_a_change_that_changes_nothing_is_decided_by_a_read() -> None:
    world = World()
    store, other = _store(world, OLD), _store(world, OLD)
    _change(store, "a")
    _change(other, "b")
    seen: list[list[str]] = []

    def unchanged(old: JobRecord) -> JobRecord:
        seen.append(_events(old))
        return old

    found = store.change(unchanged)
    assert _events(found) == ["a", "b"]
    assert seen == [["a"], ["a", "b"]]
    assert world.calls[-1] == "read_record"


def test_a_location_that_cannot_be_used_for_a_while_stays_listed() -> None:
    world = World()
    _change(_store(world, NEW, OLD, moves=True), "a")
    store = _store(world, OLD)
    with _refused(world, "new"):
        for name in ("b", "c"):
            _change(store, name)
        assert not store.is_certain
    assert _events(_in(world, NEW)) == ["a"]
    assert len(_in(world, OLD).places) == 2
    _change(store, "d")
    assert _events(_in(world, NEW)) == _events(_in(world, OLD)) == ["a", "b", "c", "d"]


def test_a_location_that_may_only_be_read_stays_listed() -> None:
    world = World()
    _change(_store(world, NEW, OLD, moves=True), "a")
    store, write = _store(world, OLD), world.write_record

    def refuse(location: Location, *rest: object) -> str:
        if location.bucket == "new":
            raise DENIED
        return write(location, *rest)  # type: ignore[arg-type]

    world.write_record = refuse  # type: ignore[assignment,method-assign]
    for name in ("b", "c"):
        _change(store, name)
    assert len(_in(world, OLD).places) == 2
    world.write_record = write  # type: ignore[method-assign]
    _change(store, "d")
    assert _events(_in(world, NEW)) == _events(_in(world, OLD)) == ["a", "b", "c", "d"]
