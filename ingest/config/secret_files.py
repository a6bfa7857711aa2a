"""Secrets in separate files: `KEY_file = "path"`, and systemd's credentials."""

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ingest.config.values import BadValue, looks_secret

_log = logging.getLogger(__name__)
_LARGEST_BYTES = 65_536


def find(written: object, base: Path, environ: Mapping[str, str]) -> Path:
    """Returns the file that `KEY_file` names: relative to `base`, or for a bare name without a file there, in
    $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=). Raises BadValue."""
    if not isinstance(written, str) or not written or "\0" in written:
        raise BadValue('expects a path in quotation marks, such as "/etc/ingest/event-hub"')
    if looks_secret(written):
        raise BadValue("expects the path of a file, and this looks like the secret itself")
    path = base / written
    credentials = environ.get("CREDENTIALS_DIRECTORY", "")
    if credentials and Path(written).name == written and not os.path.exists(path):  # noqa: PTH110 - never raises
        return Path(credentials) / written
    return path


def read(path: Path) -> str:
    """Returns the secret in a file, without the line break at its end. Raises BadValue if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise BadValue(
            f"{path} cannot be read ({os.strerror(error.errno or 0)}); create it or correct the path"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise BadValue(f"{path} is larger than {_LARGEST_BYTES} bytes, so it is no secret; correct the path")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadValue(f"{path} is not UTF-8 text; write the secret into it as it was shown to you") from None
    if not text.strip():
        raise BadValue(f"{path} is empty; write the secret into it")
    warn_if_open(path)
    return text


def warn_if_open(path: Path) -> None:
    """Logs a warning if every user of the machine can read a file with secrets."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        _log.warning("%s holds a secret and every user of this machine can read it: chmod o-r %s", path, path)
