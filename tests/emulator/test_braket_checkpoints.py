"""Checkpoints that the script writes during an upload."""

import json
import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from botocore.hooks import HierarchicalEmitter

from cdk_braket_local.braket import container
from cdk_braket_local.braket.objects import ChangingFileError, Mirror, Place, UnfitNameError
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = Place("bucket", "checkpoints")


class _Objects:
    """S3, which can run a function during an upload."""

    def __init__(self) -> None:
        self.stored: dict[str, list[bytes]] = {}
        self.during: Callable[[], object] = lambda: None

    def upload(self, file: IO[bytes], place: Place) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.during()
        content = file.read()
        assert len(content) == size, "botocore would wait for the bytes that it has announced"
        if "unfit" in place.key:
            raise UnfitNameError(place.key)
        self.stored.setdefault(place.key.removeprefix("checkpoints/"), []).append(content)


@pytest.fixture
def objects() -> _Objects:
    return _Objects()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def _mirror(objects: _Objects, folder: Path) -> Mirror:
    return Mirror(objects, folder, PLACE)  # type: ignore[arg-type]


def test_a_file_that_is_rewritten_during_its_upload_is_stored_whole(
    objects: _Objects, folder: Path
) -> None:
    mirror = _mirror(objects, folder)
    (folder / "a").write_bytes(b"first" * 1000)
    objects.during = lambda: (folder / "a").write_bytes(b"2")
    mirror.push()
    assert objects.stored == {"a": [b"first" * 1000]}
    mirror.push()
    assert objects.stored == {"a": [b"first" * 1000, b"2"]}


def test_a_file_that_is_rewritten_while_it_is_copied_is_not_stored(
    objects: _Objects, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = _mirror(objects, folder)
    (folder / "a").write_bytes(b"good")
    mirror.push()
    (folder / "a").write_bytes(b"better")
    lengths = iter(range(1000))

    def copy(source: object, target: object) -> None:
        del source, target
        (folder / "a").write_bytes(b"x" * (100 + next(lengths)))

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfileobj", copy)
        mirror.push()
        assert objects.stored == {"a": [b"good"]}, "the last good one stays"
        with pytest.raises(ChangingFileError, match="the file a is still being written"):
            mirror.push_all()
    mirror.push_all()
    assert objects.stored == {"a": [b"good", (folder / "a").read_bytes()]}


def test_a_file_that_is_open_for_writing_waits_until_it_is_closed_or_rests(
    objects: _Objects, folder: Path
) -> None:
    mirror = _mirror(objects, folder)
    with (folder / "log").open("wb", buffering=0) as log:
        with (folder / "model").open("wb", buffering=0) as model:
            model.write(b"half")
            log.write(b"a line")
            mirror.push()
            assert objects.stored == {}
            model.write(b" and half")
        mirror.push()
        assert objects.stored == {"log": [b"a line"], "model": [b"half and half"]}
        log.write(b" and another")
        mirror.push_all()
        assert objects.stored["log"] == [b"a line", b"a line and another"]


def test_a_file_that_cannot_be_stored_does_not_keep_the_others(
    objects: _Objects, folder: Path
) -> None:
    mirror = _mirror(objects, folder)
    for name in ("a", "unfit", "z"):
        (folder / name).write_text(name, encoding="utf-8")
    with pytest.raises(UnfitNameError):
        mirror.push_all()
    assert objects.stored == {"a": [b"a"], "z": [b"z"]}


def test_a_file_that_disappears_or_changes_its_type_stops_nothing(
    objects: _Objects, folder: Path
) -> None:
    mirror = _mirror(objects, folder)
    for name in ("a", "b", "c"):
        (folder / name).write_text(name, encoding="utf-8")

    def change() -> None:
        objects.during = lambda: None
        (folder / "b").unlink()
        (folder / "c").unlink()
        os.mkfifo(folder / "c")

    objects.during = change
    mirror.push()
    mirror.push_all()
    assert objects.stored == {"a": [b"a"]}


# It rewrites one file as fast as it can; each content tells how long it is.
REWRITING = (
    "import json, os, random, time\nfrom pathlib import Path\n"
    "def main():\n"
    "    kept = Path(os.environ['AMZN_BRAKET_CHECKPOINT_DIR'], 'kept.json')\n"
    "    end = time.monotonic() + 8\n"
    "    while time.monotonic() < end:\n"
    "        with kept.open('w') as file:\n"
    "            length = random.randrange(1, 300_000)\n"
    "            file.write(json.dumps({'length': length, 'text': 'x' * length}))\n"
    "            file.flush()\n"
    "        time.sleep(0.01)\n"
    "    kept.write_text(json.dumps({'length': 3, 'text': 'end'}))\n"
)


def test_a_file_that_is_rewritten_in_a_loop_is_stored_whole_and_stalls_nothing(
    local_aws: LocalAws,
) -> None:
    jobs = Jobs(local_aws)
    arn = jobs.start(REWRITING)
    seen = set()

    def has_ended(job: dict[str, str]) -> bool:
        if content := jobs.checkpoint(job, "kept.json"):
            found = json.loads(content)
            assert len(found["text"]) == found["length"], "it is torn"
            seen.add(found["length"])
        return job["status"] in {"COMPLETED", "FAILED"}

    job = jobs.when(arn, has_ended, 300)
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert json.loads(jobs.checkpoint(job, "kept.json") or b"")["text"] == "end"
    assert len(seen) > 1, "it is stored while the script runs, too"


def test_slow_calls_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[object] = []
    monkeypatch.setattr(container, "_report", lambda **message: notes.append(message["note"]))
    monkeypatch.setattr(container, "SLOW_SECONDS", 0.1)
    events = HierarchicalEmitter()
    container.report_slow_calls(events)
    for operation, seconds in (("PutObject", 0.2), ("GetObject", 0.0)):
        context: dict[str, object] = {}
        events.emit(f"before-call.s3.{operation}", context=context)
        threading.Event().wait(seconds)
        events.emit(f"after-call.s3.{operation}", context=context)
    assert notes == ["the call PutObject of s3 took 0 s"]


def test_the_containers_clients_do_not_wait_long() -> None:
    assert container._CLIENT.read_timeout <= 30  # type: ignore[attr-defined]
    assert container._CLIENT.connect_timeout <= 30  # type: ignore[attr-defined]
