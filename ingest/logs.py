"""Logging for every process: one line per entry on stderr, as text or JSON."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import orjson

from ingest.printable import printable, printable_lines
from ingest.recent_warnings import RECENT

_FORMAT = "%(asctime)s %(levelname)-7s %(processName)s %(message)s"
_JOURNAL_FORMAT = "%(processName)s %(message)s"
"""The journal itself stores the time and the priority of every entry."""

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Lowest level → priority as in syslog(3)."""
_DEBUG_PRIORITY: Final = 7
_LONGEST_KEY: Final = 200
"""Number of characters that distinguish keys of `Repeated`."""
_OTHERS: Final = "\0others"
"""Stands for all keys that do not fit into `Repeated`."""


class _TextFormatter(logging.Formatter):
    """Keeps text from outside within its line: a message is one line, and only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return printable_lines(super().formatException(ei))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "process": record.processName,
            "pid": record.process,
            "logger": record.name,
            "message": _encodable(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = _encodable(self.formatException(record.exc_info))
        return orjson.dumps(entry).decode()


def _encodable(text: str) -> str:
    """Returns the text for JSON, which escapes everything except lone surrogates, which it cannot contain."""
    return text.encode("utf-8", "backslashreplace").decode()


class _JournalFormatter(logging.Formatter):
    """Begins every line with its priority, which the journal removes (sd-daemon(3))."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        found = (priority for level, priority in _PRIORITIES if record.levelno >= level)
        prefix = f"<{next(found, _DEBUG_PRIORITY)}>"
        # In the journal, each line of a traceback is a separate entry.
        return prefix + self._inner.format(record).replace("\n", f"\n{prefix}")


def is_journal(stream: TextIO, journal_stream: str | None) -> bool:
    """Whether systemd has connected `stream` to the journal. `journal_stream` is $JOURNAL_STREAM, which names that by
    device and inode; processes whose stderr goes elsewhere inherit it too (systemd.exec(5))."""
    if not journal_stream:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def configure(log_format: str = "text", level: str = "info") -> None:
    """Sets up the root logger of this process. `log_format` is "text" or "json", `level` a logging level's name."""
    handler = logging.StreamHandler(sys.stderr)
    in_journal = is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM"))
    text = _JOURNAL_FORMAT if in_journal else _FORMAT
    formatter = _JsonFormatter() if log_format == "json" else _TextFormatter(text, datefmt="%Y-%m-%dT%H:%M:%S%z")
    handler.setFormatter(_JournalFormatter(formatter) if in_journal else formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler, RECENT]
    root.setLevel(level.upper())
    # The clients log every frame-level surprise of a reconnect, which our own lines already explain.
    # urllib3 logs whole URLs, which contain the storage's tokens.
    for client in ("azure", "msal", "uamqp", "urllib3"):
        logging.getLogger(client).setLevel(logging.CRITICAL)


def and_more(held: int) -> str:
    """Returns the end of a line after `held` suppressed ones: ` (3 more like it)`, or "" if there were none."""
    return f" ({held} more like it)" if held else ""


class Repeated:
    """Lets the first of a run of equal log lines through, then at most one per `seconds`, with the count of the
    others."""

    def __init__(self, seconds: float = 10.0, *, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: this many keys are separate within `seconds`, so that any number of them fills neither memory nor
        log; all further ones count as one key."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def admit(self, key: str) -> int | None:
        """Returns how many lines with this key were held back since the last one; None: hold this one back too."""
        now, key = self._clock(), key[:_LONGEST_KEY]
        if key not in self._last and len(self._last) >= self._most:
            self._last = {
                kept: state
                for kept, state in self._last.items()
                if now - state[0] < self._seconds or kept == _OTHERS  # its count is still to be logged
            }
            if len(self._last) >= self._most:
                key = _OTHERS
        last, held = self._last.get(key, (float("-inf"), 0))
        if now - last < self._seconds:
            self._last[key] = (last, held + 1)
            return None
        self._last[key] = (now, 0)
        return held
