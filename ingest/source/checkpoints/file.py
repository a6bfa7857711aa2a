"""Checkpoints as one small JSON file per partition, for a single node with no storage account.

`PATH/<namespace>/<event hub>/<consumer group>/<partition>.json`, every name percent-encoded; files 0600, folders 0700.
A save survives kill -9 and power loss at any point: temporary file, fsync, rename, fsync of the folder.
"""

import errno
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from ingest.errors import Refused, Unreachable
from ingest.source.checkpoints.store import Checkpoint, Scope

_STALE_SECONDS = 3600
"""A temporary file this old was left by a process that was killed in the middle of a save."""

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}


class FileCheckpointStore:
    """A `CheckpointStore` in a folder of a local file system."""

    def __init__(self, path: Path, scope: Scope) -> None:
        self._folder = path.joinpath(*map(_encoded, (scope.namespace, scope.event_hub, scope.consumer_group)))

    def check(self) -> None:
        with self._failures("use"):
            _make_folder(self._folder)
            self._sweep(older_than=time.time() - _STALE_SECONDS)
            _write_temporary(self._folder, b"").unlink()

    def load(self, partition: str) -> Checkpoint | None:
        with self._failures("read"):
            return self._read(self._file(partition))

    def load_all(self) -> list[Checkpoint]:
        with self._failures("read"):
            # A file may be deleted between the listing and the reading.
            found = [self._read(file) for file in self._folder.glob("*.json")]
        return sorted((each for each in found if each), key=lambda each: (len(each.partition), each.partition))

    def save(self, checkpoint: Checkpoint) -> None:
        content = {
            "partition": checkpoint.partition.lower(),
            "offset": checkpoint.offset,
            "sequence_number": checkpoint.sequence_number,
            "hub_created_ms": checkpoint.hub_created_ms,
        }
        with self._failures("write"):
            _make_folder(self._folder)
            temporary = _write_temporary(self._folder, json.dumps(content).encode())
            try:
                temporary.replace(self._file(checkpoint.partition))
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(self._folder)

    def delete(self, partition: str) -> None:
        with self._failures("change"), suppress(FileNotFoundError):
            self._file(partition).unlink()
            _sync_folder(self._folder)

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _file(self, partition: str) -> Path:
        return self._folder / f"{_encoded(partition)}.json"

    def _read(self, file: Path) -> Checkpoint | None:
        try:
            with file.open("rb") as opened:
                content, saved = opened.read(), os.fstat(opened.fileno()).st_mtime
        except FileNotFoundError:
            return None
        try:
            checkpoint = _parsed(content, saved)
            if self._file(checkpoint.partition) != file:
                raise ValueError(f"it is about partition {checkpoint.partition!r}")
            return replace(checkpoint, place=str(file))
        except ValueError as wrong:
            raise Refused(
                f"checkpoint file {file} is damaged ({wrong}): restore it from a copy, or delete it so that its "
                "partition starts over at source.start"
            ) from wrong

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
    """One file name per name, whatever its characters, the same for names that Azure holds to be the same."""
    encoded = quote(name.lower(), safe="")
    return encoded.replace(".", "%2E") if encoded.startswith(".") else encoded


def _parsed(content: bytes, saved: float) -> Checkpoint:
    """Raises ValueError with the reason, no file name in it."""
    try:
        fields = json.loads(content)
    except ValueError as wrong:
        raise ValueError("it is empty" if not content else "it is not JSON") from wrong
    match fields:
        case {"partition": str(partition), "offset": str() | None as offset, "sequence_number": int() | None as number}:
            if not offset and number is None:
                raise ValueError("it has neither an offset nor a sequence number")
            created = fields.get("hub_created_ms")
            return Checkpoint(
                partition, offset or None, number, saved, hub_created_ms=created if isinstance(created, int) else None
            )
    raise ValueError("a field is missing or has the wrong type")


def _make_folder(folder: Path) -> None:
    """Creates what is missing, each readable by this user alone, and leaves alone what exists."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _write_temporary(folder: Path, content: bytes) -> Path:
    """A new file with this content, on disk when this returns. mkstemp makes it 0600."""
    descriptor, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
