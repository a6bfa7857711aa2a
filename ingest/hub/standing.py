"""Where the hub stands with a partition, and what that says of a reader's position. Pure.

The hub tells the newest event of a partition, held or expired, and the oldest that it holds. A reader that is silent is
right when the hub owes it nothing; and a position that the hub's own figures contradict is of another numbering.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ingest.hub.position import BEFORE_FIRST, EARLIEST, Position, StartAt, offset_number

Verdict = Literal["even", "behind", "renumbered", "unknown"]
"""even: the hub owes nothing. behind: it holds an event that is still to come. renumbered: the position is of another
numbering. unknown: the position cannot be compared with the hub's."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hub says of a partition (`$management`, READ of com.microsoft:partition)."""

    oldest: int
    """Sequence number of the oldest event that is held."""
    newest: int
    """Sequence number of the newest event, whether it is held or has expired; -1 when there never was one."""
    newest_offset: str
    newest_ms: int
    """When it was stored, Unix milliseconds."""
    empty: bool
    """Whether no event is held."""
    asked_at: float
    """Monotonic time of the question."""
    created_ms: int | None = None
    """When the hub itself was made, Unix milliseconds; None where that was not asked."""

    @property
    def position(self) -> Position:
        """Behind everything that there is now: what comes later is still to be read from there."""
        return BEFORE_FIRST if self.newest < 0 else Position(self.newest_offset or None, self.newest)


def judge(standing: Standing, position: Position | None, start: StartAt) -> Verdict:
    """`position`: of the last event received or of the checkpoint; without one, reading began at `start`."""
    if position is not None:
        return _judge_position(standing, position)
    if standing.empty:
        return "even"
    asked = start.position
    if isinstance(asked, datetime):
        return "behind" if standing.newest_ms >= asked.timestamp() * 1000 else "even"
    if isinstance(asked, int):
        return "behind" if standing.newest > asked else "even"
    if asked == EARLIEST:
        return "behind"
    newest_offset, offset = offset_number(standing.newest_offset), offset_number(asked)
    if newest_offset < 0 or offset < 0:  # opaque, or the next new event
        return "unknown"
    return "behind" if newest_offset > offset else "even"


def _judge_position(standing: Standing, position: Position) -> Verdict:
    if standing.newest < position.sequence_number:
        return "renumbered"
    newest_offset, offset = offset_number(standing.newest_offset), offset_number(position.offset)
    comparable = newest_offset >= 0 and offset >= 0
    if standing.newest == position.sequence_number:
        return "renumbered" if comparable and newest_offset != offset else "even"
    if comparable and newest_offset <= offset:
        return "renumbered"
    return "even" if standing.empty else "behind"


def skipped(standing: Standing, jump: tuple[int, int]) -> bool:
    """Whether the hub holds events in `jump`, the last sequence number and the first one that came after it: then those
    in between did not expire, and the position was of another numbering."""
    return standing.oldest < jump[1]
