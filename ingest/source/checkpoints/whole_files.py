"""Files that are there whole or not at all, through kill -9 and power loss at any point: temporary file, fsync, rename, fsync of
the folder. Files are 0600, folders 0700."""

import os
import tempfile
from pathlib import Path


def save(file: Path, content: bytes) -> None:
    """Puts the content in place of what the file has, if it is there. Raises OSError."""
    make_folder(file.parent)
    temporary = write_temporary(file.parent, content)
    try:
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def make_folder(folder: Path) -> None:
    """Creates the missing folders, each readable by this user only; existing ones stay as they are."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def write_temporary(folder: Path, content: bytes) -> Path:
    """Returns a new file with this content, already on disk. mkstemp makes it 0600."""
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


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
