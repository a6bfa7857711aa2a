"""Logging for every process: one line an entry on stderr, as text or JSON."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import orjson

from ingest.printable import printable, printable_lines

_FORMAT = "%(asctime)s %(levelname)-7s %(processName)s %(message)s"
_JOURNAL_FORMAT = "%(processName)s %(message)s"
"""The journal has the time and the priority of every entry itself."""

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Least level → priority as in syslog(3)."""
_DEBUG_PRIORITY: Final = 7
_LONGEST_KEY: Final = 200
"""Characters by which keys of `Repeated` are told apart."""
_OTHERS: Final = "\0others"
"""Stands for all keys of `Repeated` that found no room."""


class _TextFormatter(logging.Formatter):
    """What others said stays within its line: a message is one line, and only a traceback has more."""

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
    """JSON escapes all but lone surrogates, which it cannot carry."""
    return text.encode("utf-8", "backslashreplace").decode()


class _JournalFormatter(logging.Formatter):
    """Begins every line with its priority, which the journal takes off again (sd-daemon(3))."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        found = (priority for level, priority in _PRIORITIES if record.levelno >= level)
        prefix = f"<{next(found, _DEBUG_PRIORITY)}>"
        # Each line of a traceback is an entry of its own there.
        return prefix + self._inner.format(record).replace("\n", f"\n{prefix}")


def is_journal(stream: TextIO, journal_stream: str | None) -> bool:
    """Whether `stream` is what systemd has connected to the journal; `journal_stream` is $JOURNAL_STREAM, which names
    that by device and inode and is inherited also by processes whose stderr goes elsewhere (systemd.exec(5))."""
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
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The clients log every frame-level surprise of a reconnect, which our own lines already tell in words.
    # urllib3 logs whole URLs, in which the storage's tokens are.
    for client in ("azure", "uamqp", "urllib3"):
        logging.getLogger(client).setLevel(logging.CRITICAL)


def and_more(held: int) -> str:
    """The end of a line that others were held back for: ` (3 more like it)`, nothing when none were."""
    return f" ({held} more like it)" if held else ""


class Repeated:
    """Lets the first of a run of equal log lines through, then at most one in `seconds`, with the count of the
    others."""

    def __init__(self, seconds: float = 10.0, *, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: so many keys are told apart in `seconds`, so that any number of them neither fills memory nor log;
        further ones count as one and the same."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def admit(self, key: str) -> int | None:
        """How many lines with this key were held back since the last one; None when this one is to be held back too."""
        now, key = self._clock(), key[:_LONGEST_KEY]
        if key not in self._last and len(self._last) >= self._most:
            self._last = {
                kept: state
                for kept, state in self._last.items()
                if now - state[0] < self._seconds or kept == _OTHERS  # whose count is still to be told
            }
            if len(self._last) >= self._most:
                key = _OTHERS
        last, held = self._last.get(key, (float("-inf"), 0))
        if now - last < self._seconds:
            self._last[key] = (last, held + 1)
            return None
        self._last[key] = (now, 0)
        return held
