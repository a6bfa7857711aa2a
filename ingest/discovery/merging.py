"""Merges what was found into a configuration file on disk: replaced in one step, readable only by its owner."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ingest.config import secret_files
from ingest.config.values import BadValue
from ingest.discovery.found import Found
from ingest.discovery.toml import merged
from ingest.errors import Refused

MODE = 0o600


def merge_into(path: Path, found: Found, *, replace_secrets: bool, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns a sentence for each key that had another value. A missing file is created.

    Raises Refused, and then has written nothing.
    """
    path = Path(os.path.realpath(path))

    def read_secret(named: str) -> str | None:
        try:
            return secret_files.read(secret_files.find(named, path.parent, environ))
        except BadValue:
            return None

    try:
        before = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        after = merged(before, found, replace_secrets=replace_secrets, read_secret=read_secret)
        _replace(path, after.text)
    except UnicodeDecodeError as error:
        raise Refused(f"--write {path} is not UTF-8 text (byte {error.start}): nothing was written") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Refused(f"--write {path} cannot be written ({reason}): check the path and its permissions") from None
    except Refused as error:
        raise Refused(f"--write {path}: {error}") from None
    return after.changes


def _replace(path: Path, text: str) -> None:
    """A concurrent reader gets the whole old file or the whole new one."""
    kept = path.stat() if path.exists() else None
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), MODE)
            if kept is not None and (kept.st_uid, kept.st_gid) != (os.geteuid(), os.getegid()):
                # When run by root, the file keeps its owner.
                os.fchown(file.fileno(), kept.st_uid, kept.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - both are names
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
