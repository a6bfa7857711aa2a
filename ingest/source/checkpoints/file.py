"""Checkpoints as one small JSON file per partition, for a single node with no storage account.

`PATH/<namespace>/<event hub>/<consumer group>/<partition>.json`, every name percent-encoded; files 0600, folders 0700.
A save survives kill -9 and power loss at any point: temporary file, fsync, rename, fsync of the folder. A process that
replaces a known state compares and renames under a lock of the folder (flock), which every process on this machine
sees.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ingest.errors import Refused, Unreachable
from ingest.source.checkpoints.foreign import BEFORE_FIRST_OFFSET, number_in, offset_in, time_in
from ingest.source.checkpoints.store import WHATEVER, Before, Changed, Checkpoint, Damaged, Scope, reset_command
from ingest.source.checkpoints.whole_files import make_folder, sync_folder, write_temporary
from ingest.timing import Deadline

VERSION = 1
"""Version of the file's fields. Files older than the first version lack it, and have the same fields."""
_LARGEST_BYTES = 64 << 10
"""A real one has about 150 bytes."""
_CHECK_BYTES = 4096
"""What `check` writes: a full disk can still take an empty file."""
_STALE_SECONDS = 3600
"""A temporary file this old was left by a process that was killed during a save."""
_LOCK_SECONDS = 5.0
_LOOK_SECONDS = 0.01

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}
_OF_ONE_FILE = {errno.EACCES, errno.EISDIR, errno.ELOOP, errno.EPERM, errno.ENXIO, errno.EIO}


class FileCheckpointStore:
    """A `CheckpointStore` in a folder of a local file system."""

    def __init__(self, path: Path, scope: Scope) -> None:
        self._folder = path.joinpath(*map(_encoded, (scope.namespace, scope.event_hub, scope.consumer_group)))

    def check(self) -> None:
        with self._failures("use"):
            make_folder(self._folder)
            self._sweep(older_than=time.time() - _STALE_SECONDS)
            write_temporary(self._folder, b" " * _CHECK_BYTES).unlink()

    def load(self, partition: str) -> Checkpoint | None:
        with self._failures("read"):
            return self._read(self._file(partition))

    def load_all(self, damaged: list[Damaged] | None = None) -> list[Checkpoint]:
        found = []
        with self._failures("read"):
            # A file can be deleted between the listing and the reading.
            for file in sorted(self._folder.glob("*.json")):
                try:
                    found.append(self._read(file))
                except Damaged as one:
                    if damaged is None:
                        raise
                    damaged.append(one)
        return sorted((each for each in found if each), key=lambda each: (len(each.partition), each.partition))

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        fields = {
            "version": VERSION,
            "partition": checkpoint.partition.lower(),
            "offset": checkpoint.offset,
            "sequence_number": checkpoint.sequence_number,
            "hub_created_ms": checkpoint.hub_created_ms,
        }
        content, file = json.dumps(fields).encode(), self._file(checkpoint.partition)
        with self._failures("write"):
            make_folder(self._folder)
            temporary = write_temporary(self._folder, content)
            try:
                about = temporary.stat()
                with self._locked():
                    if over is not WHATEVER and _tag(*_content(file)) != (over and over.tag):
                        raise self._changed(checkpoint.partition)
                    temporary.replace(file)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(self._folder)
        return replace(checkpoint, lease=False, time=about.st_mtime, place=str(file), tag=_tag(content, about))

    def delete(self, partition: str) -> None:
        file = self._file(partition)
        with self._failures("change"), suppress(FileNotFoundError), self._locked():
            if file.is_dir():
                raise Refused(f"{file} is a folder, and none of ingest's: move it away")
            file.unlink()
            sync_folder(self._folder)

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _file(self, partition: str) -> Path:
        return self._folder / f"{_encoded(partition)}.json"

    def _read(self, file: Path) -> Checkpoint | None:
        partition = unquote(file.name.removesuffix(".json"))
        try:
            content, about = _content(file)
            if content is None or about is None:
                return None
            checkpoint = _parsed(content, about.st_mtime)
            if self._file(checkpoint.partition) != file:
                raise ValueError(f"it is about partition {checkpoint.partition[:100]!r}")
            return replace(checkpoint, place=str(file), tag=_tag(content, about))
        except ValueError as wrong:
            raise self._damaged(partition, file, str(wrong)) from wrong
        except OSError as failed:
            if failed.errno not in _OF_ONE_FILE or not self._folder.is_dir():
                raise
            raise self._damaged(partition, file, str(failed.strerror)) from failed

    def _damaged(self, partition: str, file: Path, why: str) -> Damaged:
        return Damaged(
            partition,
            f"checkpoint file {file} is damaged ({why}): restore it from a copy, or delete it so that partition {partition} "
            f"starts over at source.start: {reset_command(partition)}",
        )

    def _changed(self, partition: str) -> Changed:
        try:
            return Changed(partition, self._read(self._file(partition)))
        except Damaged as damaged:
            return Changed(partition, None, str(damaged))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """While held, no other process replaces or deletes a checkpoint of the scope. Nothing slow belongs inside."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            deadline = Deadline(_LOCK_SECONDS)
            while True:
                try:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if deadline.expired:
                        raise Unreachable(
                            f"another process has held the lock of the checkpoint folder {self._folder} for "
                            f"{_LOCK_SECONDS:g} s: look whether one is stopped or hangs; saving is tried again"
                        ) from None
                time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(folder)

    def _sweep(self, older_than: float) -> None:
        for left_over in self._folder.glob("*.tmp"):
            with suppress(FileNotFoundError):
                if left_over.stat().st_mtime < older_than:
                    left_over.unlink()

    @contextmanager
    def _failures(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as failed:
            problem = f"cannot {verb} the checkpoint folder {self._folder} ({failed.strerror})"
            if failed.errno in _PASSING:
                raise Unreachable(f"{problem}: free space or mend the disk, saving is tried again") from failed
            raise Refused(
                f"{problem}: make checkpoints.path a folder that this user may read and write, on a local disk"
            ) from failed


def _encoded(name: str) -> str:
    """Returns a file name for any name, whatever its characters; equal for names that Azure treats as equal."""
    encoded = quote(name.lower(), safe="")
    return encoded.replace(".", "%2E") if encoded.startswith(".") else encoded


def _content(file: Path) -> tuple[bytes, os.stat_result] | tuple[None, None]:
    """Raises OSError, or ValueError for what is not a file or is too large for a checkpoint."""
    try:
        # Opening what is not a file must not block.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, None
    with os.fdopen(descriptor, "rb") as opened:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is no file")
        return opened.read(_LARGEST_BYTES + 1), about


def _tag(content: bytes | None, about: os.stat_result | None) -> object:
    return None if about is None else (about.st_ino, about.st_mtime_ns, content)


def _parsed(content: bytes, saved: float) -> Checkpoint:
    """Raises ValueError with the reason, without the file name."""
    if len(content) > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as wrong:
        raise ValueError("it is empty" if not content else "it is not JSON") from wrong
    match fields:
        case {"partition": str(partition), "offset": str() | None as offset, "sequence_number": int() | None as number}:
            version = fields.get("version", VERSION)
            if version != VERSION:
                raise ValueError(f"its version is {version!r:.20}, and this release reads {VERSION}")
            if not offset and number is None:
                raise ValueError("it has neither an offset nor a sequence number")
            return Checkpoint(
                partition, _offset(offset or None), _number(number), saved, hub_created_ms=_created(fields)
            )
    raise ValueError("a field is missing or has the wrong type")


def _offset(offset: str | None) -> str | None:
    if offset is not None and offset != BEFORE_FIRST_OFFSET and offset_in(offset) != offset:
        raise ValueError(f"{offset[:100]!r} is no offset")
    return offset


def _number(number: int | None) -> int | None:
    if number is not None and (isinstance(number, bool) or (number != -1 and number_in(str(number)) != number)):
        raise ValueError(f"{str(number)[:100]} is no sequence number")
    return number


def _created(fields: dict[str, Any]) -> int | None:
    created = fields.get("hub_created_ms")
    return time_in(str(created)) if isinstance(created, int) else None
