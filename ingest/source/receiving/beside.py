"""Reads a stretch of one partition's log beside the one who owns it: without an owner level, which takes it from nobody.

The hub lets such a reader in where nobody with an owner level reads, so not in the consumer group of a running ingest.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ingest.config import Config
from ingest.errors import Unreachable
from ingest.hub.link_errors import LinkEnded
from ingest.hub.position import StartAt
from ingest.hub.standing import Standing
from ingest.source.events.received import Received
from ingest.source.receiving.refetch import why_not
from ingest.source.transport.select import open_transport
from ingest.timing import Backoff, Clock

PATIENCE_SECONDS: Final = 60.0
"""Without an event for so long, although the hub has more, reading is given up."""
_POLL_SECONDS: Final = 0.5


def since(from_ms: int) -> StartAt:
    """Returns where reading begins at the first event of this time (Unix milliseconds) or a later one."""
    return StartAt(datetime.fromtimestamp(from_ms / 1000, UTC))


def read_beside(
    config: Config,
    partition: str,
    start: StartAt,
    standing: Standing,
    *,
    until_ms: int | None = None,
    first_alone: bool = False,
    waiting: Callable[[], None] = lambda: None,
    clock: Clock = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Generator[Sequence[Received]]:
    """Yields the events from `start` to the newest that the hub had when it told `standing`, or to the first that was
    enqueued at `until_ms` (Unix milliseconds) or later, which is the last one yielded.

    A link that is lost is opened again behind the last event. `first_alone`: little more than one event is wanted.
    `waiting` is called twice a second. Raises Refused if the hub does not let this reader in, Unreachable if nothing comes
    for PATIENCE_SECONDS.
    """
    if standing.empty or standing.newest < 0:
        return
    if first_alone:
        config = replace(config, source=replace(config.source, prefetch=1))
    backoff, last, moved_at = Backoff(0.5, 10.0), -1, clock()
    while True:
        transport = open_transport(config, partition, owned=False)
        transport.open(start)
        try:
            while True:
                waiting()
                events = [each for each in transport.poll(_POLL_SECONDS) if each.sequence_number > last]
                if not events:
                    if clock() - moved_at > PATIENCE_SECONDS:
                        raise LinkEnded("lost", "silent", f"the hub has sent nothing for {PATIENCE_SECONDS:g} s")
                    continue
                moved_at = clock()
                backoff.reset()
                yield events
                last = events[-1].sequence_number
                if last >= standing.newest or (until_ms is not None and events[-1].enqueued_ms >= until_ms):
                    return
                start = StartAt(events[-1].offset)
        except LinkEnded as ended:
            where = f"partition {partition} cannot be read from the hub"
            if ended.reason == "stolen" or ended.verdict != "lost":
                raise why_not(config, where, ended) from None
            if clock() - moved_at > PATIENCE_SECONDS:
                raise Unreachable(f"{where}: {ended}") from None
        finally:
            transport.close()
        wait(backoff.next())


def first_since(config: Config, partition: str, from_ms: int, standing: Standing) -> Received | None:
    """Returns the first event that the hub holds of this time or a later one; None if there is none. Errors as
    `read_beside`."""
    if standing.newest_ms < from_ms:
        return None
    reading = read_beside(config, partition, since(from_ms), standing, first_alone=True)
    try:
        return next((event for events in reading for event in events if event.enqueued_ms >= from_ms), None)
    finally:
        reading.close()
