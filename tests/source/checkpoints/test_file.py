"""Checkpoints in files: the contract, and what a crash at any point leaves behind."""

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.errors import Refused, Unreachable
from ingest.source.checkpoints import file as file_module
from ingest.source.checkpoints.file import FileCheckpointStore
from ingest.source.checkpoints.store import Damaged, Scope
from tests.source.checkpoints.contract import SCOPE, Opener, StoreContract, position, without_time

FOLDER = Path("ns-1.servicebus.windows.net/telemetry/%24default")


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return lambda scope: FileCheckpointStore(tmp_path / "new" / "place", scope)


class TestContract(StoreContract):
    pass


def test_files_and_folders_are_for_this_user_alone(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path / "made", SCOPE)
    store.save(position("0", 1))
    file = tmp_path / "made" / FOLDER / "0.json"
    assert file.stat().st_mode & 0o777 == 0o600
    folder = file.parent
    while folder != tmp_path:
        assert folder.stat().st_mode & 0o777 == 0o700
        folder = folder.parent


@example(names=["..", ".", "..."])
@example(names=["/", "a/b", "../x"])
@given(names=st.lists(st.text(min_size=1, max_size=20), min_size=3, max_size=3))
def test_no_name_leaves_the_folder(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("names")
    store = FileCheckpointStore(root / "inner", Scope(*names))
    store.save(position("0", 1))
    assert [entry.name for entry in root.iterdir()] == ["inner"]
    assert [file.relative_to(root).parts[-1] for file in root.rglob("*.json")] == ["0.json"]
    assert len(next(root.rglob("0.json")).relative_to(root).parts) == 5
    assert without_time(store.load("0")) == position("0", 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b'{"partition": "0", "off', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[]", "a field is missing or has the wrong type"),
        (b'{"partition": "0", "offset": 7, "sequence_number": 7}', "a field is missing or has the wrong type"),
        (b'{"partition": "0", "offset": "7"}', "a field is missing or has the wrong type"),
        (b'{"partition": "0", "offset": null, "sequence_number": null}', "it has neither an offset nor"),
        (b'{"partition": "1", "offset": "7", "sequence_number": 7}', "it is about partition '1'"),
        (b"[" * 60_000, "it is not JSON"),
        (b'{"partition": "0", "offset": "7", "sequence_number": %s}' % (b"7" * 5_000), "it is not JSON"),
        (b'{"partition": "0", "offset": "7", "sequence_number": %s}' % (b"7" * 500), "is no sequence number"),
        (b'{"partition": "0", "offset": "7", "sequence_number": -2}', "-2 is no sequence number"),
        (b'{"partition": "0", "offset": "7", "sequence_number": true}', "is no sequence number"),
        (b'{"partition": "0", "offset": "it\'s", "sequence_number": 7}', "is no offset"),
        (b'{"version": 2, "partition": "0", "offset": "7", "sequence_number": 7}', "its version is 2"),
        (b" " * 70_000, "it is larger than 65536 bytes"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_fix(tmp_path: Path, content: bytes, why: str) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.save(position("0", 1))
    file = tmp_path / FOLDER / "0.json"
    file.write_bytes(content)
    for read in (lambda: store.load("0"), store.load_all):
        with pytest.raises(Refused) as refused:
            read()
        assert str(file) in str(refused.value)
        assert why in str(refused.value)
        assert "delete it" in str(refused.value)
    store.save(position("0", 2))
    assert without_time(store.load("0")) == position("0", 2)


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_file_concerns_one_partition_and_makes_nobody_wait(tmp_path: Path, kind: str) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.save(position("0", 1))
    place = tmp_path / FOLDER / "7.json"
    match kind:
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case _:
            place.symlink_to(place)
    with pytest.raises(Damaged, match=r"--partition 7 --yes"):
        store.load("7")
    damaged: list[Damaged] = []
    assert [without_time(each) for each in store.load_all(damaged)] == [position("0", 1)]
    assert [each.partition for each in damaged] == ["7"]
    if kind == "folder":
        with pytest.raises(Refused, match="move it away"):
            store.delete("7")
    else:
        store.delete("7")
        assert store.load("7") is None


@given(
    content=st.binary(max_size=200)
    | st.recursive(st.none() | st.integers(), st.lists).map(lambda it: json.dumps(it).encode())
)
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "whatever"
    store = FileCheckpointStore(folder, SCOPE)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / FOLDER / "0.json").write_bytes(content)
    with contextlib.suppress(Damaged):
        store.load("0")


def test_a_file_of_before_the_first_version_is_read(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.check()
    old = b'{"partition": "0", "offset": "100", "sequence_number": 1, "hub_created_ms": 1700000000000}'
    (tmp_path / FOLDER / "0.json").write_bytes(old)
    assert without_time(store.load("0")) == position("0", 1)
    store.save(position("0", 2))
    assert json.loads((tmp_path / FOLDER / "0.json").read_bytes())["version"] == 1


def test_a_time_that_is_none_is_passed_over(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.save(replace(position("0", 1), hub_created_ms=10**30))
    found = store.load("0")
    assert found is not None
    assert found.hub_created_ms is None


def test_check_finds_a_disk_that_takes_empty_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    real = tempfile.mkstemp

    def full(**options: Any) -> tuple[int, str]:
        descriptor, name = real(**options)
        os.close(descriptor)
        return os.open("/dev/full", os.O_WRONLY), name

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(Unreachable, match="No space left on device"):
        store.check()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_lock_that_is_held_for_ever_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a process that was stopped in the middle of a save."""
    monkeypatch.setattr(file_module, "_LOCK_SECONDS", 0.05)
    store = FileCheckpointStore(tmp_path, SCOPE)
    first = store.save(position("0", 1), None)
    held = os.open(tmp_path / FOLDER, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Unreachable, match="look whether one is stopped"):
        store.save(position("0", 2), first)
    os.close(held)
    store.save(position("0", 2), first)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    store = FileCheckpointStore(tmp_path / "taken", SCOPE)
    with pytest.raises(Refused, match=r"checkpoints\.path"):
        store.check()


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, Unreachable), (errno.EIO, Unreachable), (errno.EACCES, Refused), (errno.EROFS, Refused)],
)
@pytest.mark.parametrize("function", ["fsync", "replace", "open"])
def test_a_failing_save_leaves_the_old_checkpoint_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, expected: type[Exception]
) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.save(position("0", 1))

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(expected, match=os.strerror(number)):
            store.save(position("0", 2))
    assert without_time(store.load("0")) == position("0", 1)
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == ["0.json"]


def test_check_sweeps_only_old_left_overs(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path, SCOPE)
    store.save(position("0", 1))
    old, young = tmp_path / FOLDER / "old.tmp", tmp_path / FOLDER / "young.tmp"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    store.check()
    assert {file.name for file in (tmp_path / FOLDER).iterdir()} == {"0.json", "young.tmp"}


_KILLED_AT = """
import os, pathlib, signal, sys
from ingest.source.checkpoints.file import FileCheckpointStore
from ingest.source.checkpoints.store import Checkpoint, Scope

store = FileCheckpointStore(pathlib.Path(sys.argv[1]), Scope(*sys.argv[2:5]))
left = int(sys.argv[5])

def counting(name):
    real = getattr(os, name)
    def call(*arguments, **keywords):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)
    setattr(os, name, call)

for name in ("open", "fdopen", "fsync", "replace", "close", "mkdir"):
    counting(name)
store.save(Checkpoint("0", "200", 2))
"""


def _killed_save(folder: Path, at: int) -> int:
    command = [sys.executable, "-c", _KILLED_AT, str(folder), SCOPE.namespace, SCOPE.event_hub, SCOPE.consumer_group]
    return subprocess.run([*command, str(at)], check=False, timeout=60).returncode


def test_kill_9_at_every_system_call_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    outcomes = []
    for at in range(1, 40):
        folder = tmp_path / str(at)
        store = FileCheckpointStore(folder, SCOPE)
        store.save(position("0", 1))
        killed = _killed_save(folder, at) != 0
        loaded = without_time(store.load("0"))
        assert loaded in (position("0", 1), position("0", 2))
        assert [without_time(each) for each in store.load_all()] == [loaded]
        outcomes.append(loaded)
        if not killed:
            break
    assert outcomes[0] == position("0", 1)
    assert outcomes[-1] == position("0", 2)
    assert len(outcomes) > 5
