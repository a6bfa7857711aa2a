"""Logging for every process: one line an entry on stderr, as text or JSON."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

_FORMAT = "%(asctime)s %(levelname)-7s %(processName)s %(message)s"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "process": record.processName,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()


def configure(log_format: str = "text", level: str = "info") -> None:
    """Sets up the root logger of this process. `log_format` is "text" or "json", `level` a logging level's name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter() if log_format == "json" else logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S%z")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The clients log every frame-level surprise of a reconnect, which our own lines already tell in words.
    for client in ("azure", "uamqp"):
        logging.getLogger(client).setLevel(logging.CRITICAL)


class Repeated:
    """Lets the first of a run of equal log lines through, then at most one in `seconds`, with the count of the
    others."""

    def __init__(self, seconds: float = 10.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def admit(self, key: str) -> int | None:
        """How many lines with this key were held back since the last one; None when this one is to be held back too."""
        now = self._clock()
        last, held = self._last.get(key, (float("-inf"), 0))
        if now - last < self._seconds:
            self._last[key] = (last, held + 1)
            return None
        self._last[key] = (now, 0)
        return held
