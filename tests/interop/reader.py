"""What the hand-over test knows of a reader of the hub, whoever wrote it. Contract only: see `foreign` and `ingester`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Positions = Mapping[str, int]
"""Partition → sequence number of the last event that a checkpoint covers."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a reader handled it."""

    partition: str
    sequence_number: int
    body: str


class Reader(Protocol):
    """Reads every partition from the checkpoints on, and moves them. Every call ends within the tests' patience, or
    raises AssertionError or ServiceError with the reader's last words."""

    name: str

    def start(self) -> None: ...

    def seen(self) -> Sequence[Event]:
        """What this reader has handled so far, per partition in its order; complete after `stop` and `kill`."""

    def positions(self) -> Positions:
        """The checkpoints that this reader is known to have written, or found."""

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`."""

    def stop(self) -> None:
        """SIGTERM: it finishes what it handles, writes its last checkpoints, and ends by itself."""

    def kill(self) -> None:
        """SIGKILL."""
