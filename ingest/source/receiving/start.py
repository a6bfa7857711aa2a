"""Where a partition begins: after its checkpoint, or else at `source.start`.

"latest", and a time later than every event, are moving positions. They are resolved once, to the position of the newest
event, and saved as the partition's first checkpoint: a replaced process goes on from there.
"""

from collections.abc import Callable
from datetime import datetime

from ingest.config import At, Earliest, Latest, Offsets, Source
from ingest.hub.position import EARLIEST, LATEST, Position, StartAt
from ingest.hub.standing import Standing
from ingest.source.checkpoints import Checkpoint


def resolve(source: Source, partition: str, now: datetime, ask: Callable[[], Standing]) -> Checkpoint | None:
    """Returns the checkpoint to begin with for a partition that has none; None if `source.start` means the same at any
    time.

    `ask` asks the hub where it stands; later events are not missed. Raises what `ask` raises.
    """
    start = first_start(source, partition)
    if start.position == LATEST:
        return _checkpoint(partition, ask().position)
    if isinstance(start.position, datetime) and start.position <= now:
        standing = ask()
        if standing.newest < 0 or standing.newest_ms < start.position.timestamp() * 1000:
            return _checkpoint(partition, standing.position)
    return None


def start_at(source: Source, partition: str, checkpoint: Checkpoint | None) -> tuple[StartAt, Position | None]:
    """Returns where to attach, and the position of the last event done before, as far as it is known."""
    if checkpoint is None:
        return first_start(source, partition), None
    number = checkpoint.sequence_number
    last = None if number is None else Position(checkpoint.offset, number)
    if checkpoint.offset is not None:
        return StartAt(checkpoint.offset), last
    return StartAt(EARLIEST if number is None else number), last


def first_start(source: Source, partition: str) -> StartAt:
    """Returns what `source.start` means for a partition without a checkpoint."""
    match source.start:
        case Earliest():
            return StartAt(EARLIEST)
        case Latest():
            return StartAt(LATEST)
        case At(time=moment):
            return StartAt(moment)
        case Offsets(by_partition=offsets):
            return StartAt(offsets.get(partition, EARLIEST))


def _checkpoint(partition: str, position: Position) -> Checkpoint:
    return Checkpoint(partition, position.offset, position.sequence_number)
