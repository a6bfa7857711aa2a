"""How far a long benchmark is: on a terminal one line that is written again, elsewhere one line a stage."""

import sys
import time
from types import TracebackType
from typing import Self

_AGAIN_SECONDS = 0.5
_CLEAR_LINE = "\r\x1b[K"


class Stage:
    """A part of a benchmark that takes more than a moment, such as one round."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()
        self._said_at = 0.0

    def at(self, done: float, total: float) -> None:
        if self._terminal and time.monotonic() - self._said_at > _AGAIN_SECONDS:
            self._say(f"{_CLEAR_LINE}{self._name}: {done:,.0f} of {total:,.0f}")
            self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        self._say(f"{_CLEAR_LINE}{self._name}" if self._terminal else f"{self._name}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._say(_CLEAR_LINE)

    def _say(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
