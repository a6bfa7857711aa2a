"""Batches that wait for the answer to what is on its way, and how many of their events go next. Pure."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from ingest.kafka.records import Headers, Records
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received

READY_EVENTS = 4_000
READY_BYTES = 384 << 10
"""No more events are taken while this many wait for the acknowledgement of earlier ones. Less than a large turn has: with the
next one on top, and their records, and those on their way, each MiB here is some four of the process."""
PLENTY_EVENTS = 1_000
PLENTY_BYTES = 256 << 10
"""So many that it saves nothing to wait for more of them."""
FILLED, FILLED_ALONE = 0.75, 0.95
"""How full a request should be on average: keys fall unevenly on the topic's partitions, unless there is only one."""
FIRST_SHIPMENT_EVENTS = 1_000
"""Before the size of a record is known."""

Taken = tuple[Batch, Sequence[Received]]
"""Events that follow each other, of one batch."""


class Ready:
    """A queue of batches, in order."""

    def __init__(self, requests: int) -> None:
        """`requests`: how many can be on their way at once, as each producer has one for each partition of the topic."""
        self._record_bytes = 0.0
        """Mean record size of the previous shipment; 0 if it is unknown."""
        self._batches: deque[Batch] = deque()
        self._events = self._bytes = 0
        self._requests = requests

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def full(self) -> bool:
        return self._events >= READY_EVENTS or self._bytes >= READY_BYTES

    @property
    def plenty(self) -> bool:
        return self._events >= PLENTY_EVENTS or self._bytes >= PLENTY_BYTES

    def add(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._events += len(batch.events)
        self._bytes += batch.bytes

    def clear(self) -> None:
        self._batches.clear()
        self._events = self._bytes = 0

    def clear_behind_first(self) -> None:
        """Forgets all batches but the first: a part of that one may have been sent."""
        while len(self._batches) > 1:
            batch = self._batches.pop()
            self._events -= len(batch)
            self._bytes -= batch.bytes

    def everything(self) -> Iterator[Taken]:
        """Takes all events."""
        while self._batches:
            batch = self._batches.popleft()
            yield batch, batch.take(len(batch))
        self._events = self._bytes = 0

    def shipment(self, request_bytes: int) -> Iterator[Taken]:
        """Takes what the requests that can be on their way hold, each of `request_bytes`."""
        room: float = FIRST_SHIPMENT_EVENTS
        if self._record_bytes:
            filled = FILLED if self._requests > 1 else FILLED_ALONE
            room = max(1.0, request_bytes * self._requests * filled / self._record_bytes)
        while self._batches and room >= 1:
            batch = self._batches[0]
            before = batch.bytes
            events = batch.take(int(room))
            if not batch.events:
                self._batches.popleft()
            self._events -= len(events)
            self._bytes -= before - batch.bytes
            room -= len(events)
            yield batch, events

    def encoded(
        self, request_bytes: int, records_of: Callable[[Sequence[Received]], Records | None]
    ) -> tuple[Records, list[Taken], list[Taken]]:
        """Takes a `shipment`, and returns its records, their events, and the events from the first for which `records_of`
        returns None. All are encoded before the first is sent, so that the producer gets them in less time than `linger.ms`."""
        records, sent, slow = Records([], [], [], []), list[Taken](), list[Taken]()
        for batch, events in self.shipment(request_bytes):
            made = records_of(events) if not slow else None
            if made is None:
                slow.append((batch, events))
            else:
                if sent:
                    records.extend(made)
                else:
                    records = made
                sent.append((batch, events))
        return records, sent, slow

    def shipped(self, records: Records, queued: int, value_bytes: int) -> None:
        """Notes how large records are: the values of the first `queued` ones, which were sent, have `value_bytes`."""
        if queued:
            self._record_bytes = value_bytes / queued + _bytes_around(records.keys[0], records.headers[0])


def _bytes_around(key: bytes | None, headers: Headers | None) -> int:
    """Returns the size of a record without its value, which is similar for all records of a partition."""
    return len(key or b"") + sum(len(name) + len(value or b"") for name, value in headers or ())


def behind(sent: Sequence[Taken], queued: int) -> Iterator[Taken]:
    """Returns the events of `sent` after the first `queued`."""
    for batch, events in sent:
        if queued < len(events):
            yield batch, events[queued:]
        queued = max(0, queued - len(events))


def first(sent: Sequence[Taken], count: int) -> Iterator[Taken]:
    """Returns the first `count` events of `sent`."""
    for batch, events in sent:
        if count > 0:
            yield batch, events[:count]
        count -= len(events)
