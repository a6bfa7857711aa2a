"""The rendered configuration on disk: the TOML file, and each secret in its own file that only this user can read.

The TOML file has no secret, and the umask's mode: under systemd a user other than root reads it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ingest.errors import Refused
from ingest.migrate.rendering import Rendered

_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o666
"""Mode before the umask."""


def write(rendered: Rendered, path: Path) -> list[Path]:
    """Writes the secrets beside `path`, and then `path` itself; returns what was written.

    No file is overwritten; one with the same content stays. Raises Refused, and then nothing is written.
    """
    wanted = {path.parent / name: f"{secret.reveal()}\n" for name, secret in rendered.secrets.items()}
    wanted[path] = rendered.toml
    missing = _missing(wanted)
    made: list[Path] = []
    try:
        for file in missing:
            _create(file, wanted[file], _PUBLIC if file == path else _PRIVATE)
            made.append(file)
    except OSError as failed:
        for file in made:
            file.unlink(missing_ok=True)
        raise Refused(f"{failed.filename} cannot be written ({failed.strerror}): choose another folder") from None
    return made


def _missing(wanted: Mapping[Path, str]) -> list[Path]:
    """Returns the files that do not exist yet."""
    missing = []
    for file, content in wanted.items():
        try:
            same = file.read_bytes() == content.encode()
        except FileNotFoundError:
            missing.append(file)
            continue
        except OSError as failed:
            raise Refused(f"{file} cannot be read ({failed.strerror}): choose another folder") from None
        if not same:
            raise Refused(f"{file} exists and has another content: move it away, or write to another folder")
    return missing


def _create(file: Path, content: str, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
