"""The locations of a resource's record: one, or several after an environment was replaced.

An Update can move the records to another bucket, and a rollback can move them back. So the record
lists the places where copies of it are. All of them are read, the copy with the highest revision
counts, and all are written. docs/adr/0004-one-job-per-definition.md has the reasoning.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from .errors import Failure, Kind, ServiceError, UnreadableRecordFailure
from .job_record import JobRecord, UnreadableRecordError, key, load
from .properties import Encryption, Location
from .retries import Calls


@dataclass(frozen=True, slots=True)
class _Copy:
    """One place's copy.

    Attributes:
        record: The copy; None if there is none, or it cannot be read.
        version: The object's version; None where there is no object.
        error: The error if the place cannot be used.
        is_damaged: Whether there is an object that is not a record.
        others: The places of all copies, as this one lists them.
    """

    record: JobRecord | None = None
    version: str | None = None
    error: ServiceError | None = None
    is_damaged: bool = False
    others: tuple[Location, ...] = ()


class JobRecordStore:
    """Reads and changes one resource's record.

    Args:
        calls: The calls, with retries.
        records: The locations of records, the most important first.
        stack_id: The stack's ARN.
        logical_id: The resource's logical id.
        encryption: The encryption to request, by bucket.
        moves: Whether the event names all locations that are used from now on.
        repairs: Whether a damaged record is treated as lost, and overwritten.
        is_new: Whether there is probably no record yet: then the first change does not read it.
    """

    def __init__(
        self,
        calls: Calls,
        records: Iterable[Location],
        stack_id: str,
        logical_id: str,
        *,
        encryption: Mapping[str, Encryption] | None = None,
        moves: bool = False,
        repairs: bool = False,
        is_new: bool = False,
    ) -> None:
        self._calls = calls
        self._encryption = encryption or {}
        self._moves = moves
        self._repairs = repairs
        self._places = tuple(
            dict.fromkeys(
                Location(one.bucket, key(one.key, stack_id, logical_id)) for one in records
            )
        )
        self._resource = f"{stack_id} {logical_id}"
        # The copies after the last write, so that the next change needs no read. They may be out of
        # date: then the conditional write is refused.
        self._known = {place: _Copy() for place in self._places} if is_new else None
        self.is_certain = True
        """Whether every copy could be read when the record was read last."""
        self.is_damaged = False
        """Whether there was a copy that is not a record."""

    def read(self) -> JobRecord:
        """Return the record; an empty one if there is none.

        Raises:
            ServiceError: No location can be read.
            UnreadableRecordFailure: The record is damaged.
        """
        return self._newest(self._read())

    def change(self, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        """Change the record, even if other invocations change it meanwhile.

        Args:
            change: Returns the new record for the current one. It is called again with the newer
                record if another invocation was faster, so it must be idempotent.

        Returns:
            The stored record.
        """
        attempt = 0
        while True:
            known, self._known = self._known, None
            copies = known or self._read()
            old = self._newest(copies)
            new = change(old)
            if new != old or not all(_is_current(copy, old) for copy in copies.values()):
                new = replace(new, revision=old.revision + 1, places=self._listed(copies))
                if self._wrote(new, copies):
                    return new
            elif known is None:
                return old
            if known is None:
                self._calls.pause(attempt, "others change the record")
                attempt += 1

    # --- Reading. ---

    def _read(self) -> dict[Location, _Copy]:
        copies: dict[Location, _Copy] = {}
        places = list(self._places)
        while places:
            place = places.pop(0)
            copies[place] = self._copy(place, is_first=not copies)
            others = copies[place].others
            places += [one for one in others if one not in copies and one not in places]
        self.is_damaged = any(copy.is_damaged for copy in copies.values())
        self.is_certain = not self.is_damaged and not any(c.error for c in copies.values())
        return copies

    def _copy(self, place: Location, *, is_first: bool) -> _Copy:
        retry = self._calls.retry if is_first else self._calls.retry_outages
        try:
            stored = retry(lambda: self._calls.gateway.read_record(place))
        except ServiceError as error:
            return _Copy(error=error)
        if stored is None:
            return _Copy()
        try:
            record = load(stored[0])
            others = tuple(Location.parse(uri) for uri in record.places)
        except (UnreadableRecordError, Failure):
            return _Copy(version=stored[1], is_damaged=True)
        return _Copy(record, stored[1], others=others)

    def _newest(self, copies: Mapping[Location, _Copy]) -> JobRecord:
        # If two have the same revision, the last one to be written counts.
        records = [copies[p].record for p in sorted(copies, key=_uri, reverse=True)]
        found = [record for record in records if record is not None]
        if found:
            return max(found, key=lambda record: record.revision)
        errors = [copy.error for copy in copies.values() if copy.error is not None]
        if len(errors) == len(copies):
            raise errors[0]
        damaged = [place for place, copy in copies.items() if copy.is_damaged]
        if damaged and not self._repairs:
            raise UnreadableRecordFailure(
                f"The record {damaged[0].uri} of the resource's jobs is damaged. Restore an "
                "earlier version of the object"
            )
        return JobRecord(resource=self._resource)

    # --- Writing. ---

    def _listed(self, copies: Mapping[Location, _Copy]) -> tuple[str, ...]:
        listed = self._places if self._moves else tuple(copies)
        # A single location does not have to be listed in the record there.
        return tuple(sorted(place.uri for place in listed)) if len(listed) > 1 else ()

    def _wrote(self, new: JobRecord, copies: Mapping[Location, _Copy]) -> bool:
        """Write all copies, in the fixed order; return whether none was changed meanwhile."""
        text = new.dump()
        errors: list[ServiceError] = []
        usable = [place for place in sorted(copies, key=_uri) if copies[place].error is None]
        written: dict[Location, _Copy] = {}
        for place in usable:
            try:
                version = self._write(place, text, copies[place].version, is_only=len(usable) == 1)
                written[place] = _Copy(new, version)
            except ServiceError as error:
                if error.kind is Kind.CONFLICT:
                    return False
                errors.append(error)
        if len(errors) < len(usable):
            is_whole = len(written) == len(copies) and all(c.version for c in written.values())
            self._known = written if is_whole else None
            return True
        if self._calls.may_pass(errors[0]):
            return False
        raise errors[0]

    def _write(self, place: Location, text: str, version: str | None, *, is_only: bool) -> str:
        retry = self._calls.retry if is_only else self._calls.retry_outages
        encryption = self._encryption.get(place.bucket)
        return retry(lambda: self._calls.gateway.write_record(place, text, version, encryption))


def _is_current(copy: _Copy, record: JobRecord) -> bool:
    """Return whether a location already contains the record."""
    is_absent = copy.version is None and not record.revision
    return copy.error is not None or is_absent or copy.record == record


def _uri(place: Location) -> str:
    return place.uri
