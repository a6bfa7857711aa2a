"""The temporary folder of one service, for its fork server's socket; removes those that killed services have left.

A service holds a lock on a file in its folder while it lives; the kernel releases the lock at any kind of death.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import process
from pathlib import Path
from typing import Any

PREFIX = "ingestd-"
_ALIVE = "alive"
_HALF_MADE_SECONDS = 3_600.0
"""Until it is this old, a folder without the file counts as one that another service is creating."""


@dataclass(frozen=True, slots=True)
class OwnFolder:
    path: Path
    lock: int
    """A descriptor."""


def claim() -> OwnFolder | None:
    """Cleans up, and creates the folder that multiprocessing uses from now on. Returns None if there is no room for it:
    multiprocessing then creates its own."""
    with contextlib.suppress(OSError):
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                _clean(left)
        made = _make(parent)
        current: Any = process.current_process()
        current._config["tempdir"] = str(made.path)
        return made
    return None


def leave(folder: OwnFolder | None) -> None:
    """Removes the folder. Call it when no part of the service needs it."""
    if folder is not None:
        shutil.rmtree(folder.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(folder.lock)


def _make(parent: Path) -> OwnFolder:
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(path / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # The file is locked before it has its name: if another service finds it unlocked, the owner is gone.
    (path / "new").rename(path / _ALIVE)
    return OwnFolder(path, lock)


def _clean(left: Path) -> None:
    """Removes the folder unless its service lives. Raises OSError if we may not open or remove it."""
    try:
        lock = os.open(left / _ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - left.stat().st_mtime > _HALF_MADE_SECONDS:
            shutil.rmtree(left)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError
        shutil.rmtree(left)
    finally:
        os.close(lock)
