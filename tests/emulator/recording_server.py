"""The server of a local AWS, which also records its writes for `leaks`.

Its state directory contains the secrets that it issued (`ISSUED`), one a line with their kind and
owner. It also contains all writes (`WRITTEN`), one JSON object a line. The latter is
only ever added to: it outlives the log groups, buckets and stacks that tests delete.
"""

import io
import json
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_local import server

# The server is run by its path: the suite is no package of its.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.emulator import lost_answers, refused_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdk_braket_local.ministack_adapter.application import LocalAwsApplication
    from cdk_braket_local.server import CreateBraket

ISSUED = "issued-secrets"
WRITTEN = "written"

LOG, OBJECT, EXECUTION, STACK = "log", "object", "execution", "stack"
"""The kinds of recorded writes."""

RECORDS = "/.cdk-braket/"
"""The part of the keys of the handler's records that identifies them."""

_application = server._application


class _Lines:
    """A file that lines are added to, by several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _recording(
    endpoint_url: str, directory: Path, create_braket: "CreateBraket"
) -> "LocalAwsApplication":
    application = _application(endpoint_url, directory, create_braket)
    # MiniStack reads its environment when it is imported.
    from cdk_braket_local.ministack_adapter.patches import custom_resources

    _record_issued(_Lines(directory / ISSUED))
    recorder = _Recorder(_Lines(directory / WRITTEN))
    recorder.record_logs()
    recorder.record_objects()
    recorder.record_executions()
    recorder.record_stacks()
    application.asgi = lost_answers.losing(
        application.asgi, directory, custom_resources.RESPONSE_PATH
    )
    application.asgi = refused_calls.refusing(application.asgi, directory)
    return application


def _record_issued(file: _Lines) -> None:
    from ministack.services import iam, sts

    from cdk_braket_local.ministack_adapter.patches import custom_resources

    def record(kind: str, secret: str, owner: str = "") -> None:
        file.add(f"{kind}\t{secret}\t{owner}")

    def register_session(access_key: str, session: dict[str, str]) -> None:
        owner = _session_name(session)
        record("secret access key", session["SecretAccessKey"], owner)
        record("session token", session["SessionToken"], owner)
        given_session(access_key, session)

    def presigned(name: str) -> str:
        signed = given_presigned(name)
        record("ResponseURL", signed.rpartition("=")[2])
        return signed

    given_session: Callable[[str, dict[str, str]], None] = sts.register_session
    given_presigned = custom_resources.presigned
    sts.register_session = register_session
    custom_resources.presigned = presigned
    keys = type(iam._access_keys)
    given_set = keys.__setitem__

    def set_item(self: object, name: str, value: object) -> None:
        if isinstance(value, dict) and "SecretAccessKey" in value:
            record("secret access key", value["SecretAccessKey"])
        given_set(self, name, value)

    keys.__setitem__ = set_item


def _session_name(session: "Mapping[str, str]") -> str:
    return session["Arn"].rpartition("/")[2]


class _Recorder:
    """Record the writes of each place that writes."""

    def __init__(self, file: _Lines) -> None:
        self._file = file

    def _record(self, kind: str, name: str, text: str, part: str = "") -> None:
        line = {"kind": kind, "name": name, "part": part, "text": text}
        self._file.add(json.dumps(line, default=str))

    def record_logs(self) -> None:
        from ministack.services import cloudwatch_logs

        def fan_out(group: str, stream: str, events: "Sequence[Mapping[str, str]]") -> object:
            self._record(
                LOG, group, "\n".join(event.get("message", "") for event in events), stream
            )
            return given(group, stream, events)

        # What comes from functions and what comes from calls both pass here.
        given = cloudwatch_logs._fanout_to_subscription_filters
        cloudwatch_logs._fanout_to_subscription_filters = fan_out

    def record_objects(self) -> None:
        from ministack.core.router import extract_access_key_id
        from ministack.services import s3, sts

        def put_object(bucket: str, key: str, body: bytes, headers: dict[str, str]) -> object:
            session = sts._sessions.get(extract_access_key_id(headers))
            # Without a session it is a test that writes, and with the CDK's it is a template.
            by_session = session is not None and not bucket.startswith("cdk-")
            if by_session or RECORDS in f"/{key}":
                owner = _session_name(session) if session else ""
                self._record(OBJECT, f"{bucket}/{key}", "\n".join(_texts(body)), owner)
            return given(bucket, key, body, headers)

        given = s3._put_object
        s3._put_object = put_object

    def record_executions(self) -> None:
        from ministack.services import stepfunctions

        def add_event(execution: dict[str, str], kind: str, details: object = None) -> object:
            self._record(EXECUTION, execution["executionArn"], json.dumps(details, default=str))
            return given(execution, kind, details)

        given = stepfunctions._add_event
        stepfunctions._add_event = add_event

    def record_stacks(self) -> None:
        """Record the descriptions of stacks and change sets before others replace them."""
        from ministack.services import cloudformation
        from ministack.services.cloudformation import handlers

        def delete_stack(params: object) -> object:
            stack = handlers._resolve_stack(handlers._p(params, "StackName"))
            if stack:
                told = [stack.get("Outputs"), stack.get("StackStatusReason")]
                self._record(STACK, stack["StackName"], json.dumps(told, default=str))
            return given_delete(params)

        def create_change_set(params: object) -> object:
            answer = given_create(params)
            name = handlers._p(params, "ChangeSetName")
            for each in cloudformation._change_sets.values():
                if each["ChangeSetName"] == name:
                    told = [each[member] for member in ("StatusReason", "Description", "Changes")]
                    self._record(STACK, each["StackName"], json.dumps(told, default=str))
            return answer

        actions = handlers._ACTION_HANDLERS
        given_delete, given_create = actions["DeleteStack"], actions["CreateChangeSet"]
        actions |= {"DeleteStack": delete_stack, "CreateChangeSet": create_change_set}
        for module in (cloudformation.stacks, handlers, cloudformation.changesets):
            self._record_events(module)

    def _record_events(self, module: object) -> None:
        def add_event(*arguments: str, **more: str) -> object:
            self._record(STACK, arguments[1], "\n".join([*arguments[4:], *more.values()]))
            return given(*arguments, **more)

        given = module._add_event  # type: ignore[attr-defined]  # as above
        module._add_event = add_event  # type: ignore[attr-defined]


def _texts(body: bytes) -> Iterator[str]:
    """Return the content of an object, with archives unpacked."""
    try:
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            for member in archive:
                # Not of a link: it may lead out of the archive.
                file = archive.extractfile(member) if member.isfile() else None
                yield f"{member.name}\n{file.read().decode('utf-8', 'replace') if file else ''}"
    except tarfile.TarError:
        yield body.decode("utf-8", "replace")


if __name__ == "__main__":
    server._application = _recording
    code = server.main()
    sys.stdout.flush()
    os._exit(code)
