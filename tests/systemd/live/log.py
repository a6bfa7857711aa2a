"""What a run has done, one line each, with the time since its start and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 200
"""Characters of one thing that a step has found."""


class Log:
    """Prints as it goes."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.lines: list[str] = []
        self.seconds: dict[str, float] = {}
        """Title of a step → how long it took."""

    def __call__(self, sentence: str) -> None:
        self.lines.append(f"{time.monotonic() - self._start:7.1f} s           {sentence}")
        print(self.lines[-1], flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """The body can add to the list what it has found."""
        found: list[str] = []
        before = time.monotonic()
        try:
            yield found
        except BaseException as error:
            self(f"FAILED {title}: {error!r}"[:2000])
            raise
        took = self.seconds[title] = time.monotonic() - before
        told = "; ".join(one if len(one) <= LONGEST else f"{one[:LONGEST]}…" for one in found)
        self.lines.append(
            f"{time.monotonic() - self._start:7.1f} s  {took:6.1f} s  {title}{': ' if told else ''}{told}"
        )
        print(self.lines[-1], flush=True)
