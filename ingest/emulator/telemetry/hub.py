"""The hub's state: partitions, consumer groups, and which partition an event goes to. Thread-safe."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TypeAlias, TypeVar

from ingest.amqp.message import Message, Properties
from ingest.emulator.telemetry.layout import device_annotations, device_sections, odd_event, telemetry
from ingest.emulator.telemetry.log import LastEnqueued, PartitionLog, Position
from ingest.timing import Clock

Event: TypeAlias = tuple[str, bytes, Mapping[str, object]]
"""Device id, body, application properties."""

_T = TypeVar("_T")
_BULK = 512
MOST_PARTITIONS = 32


class Hub:
    """An Event Hub-compatible endpoint's data."""

    def __init__(
        self,
        *,
        name: str,
        partitions: int,
        consumer_groups: Sequence[str],
        retention_events: int | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self.partitions = tuple(str(index) for index in range(partitions))
        self.consumer_groups = frozenset(group.lower() for group in consumer_groups)
        """Lower case; names are compared without case."""
        self.created_ms = int(clock() * 1000)
        self._clock = clock
        self._lock = threading.Lock()
        self._retention_events = retention_events
        self._logs = {partition: PartitionLog(retention_events) for partition in self.partitions}
        self._listeners: list[Callable[[str], None]] = []
        self._device = lru_cache(maxsize=65_536)(self._describe)

    def _describe(self, device_id: str, module_id: str | None) -> tuple[str, tuple[int, bytes]]:
        return self.partition_of(device_id), device_annotations(device_id, module_id)

    def add_partitions(self, count: int) -> tuple[str, ...]:
        """Adds `count` empty partitions and returns the ids of all. From now on devices are spread over all of them, so
        the partition of a device can change, as that of a key does in Event Hubs."""
        if not 1 <= count <= MOST_PARTITIONS - len(self.partitions):
            raise ValueError(f"{len(self.partitions)} partitions and {count} more; {MOST_PARTITIONS} are the most.")
        with self._lock:
            had = len(self.partitions)
            new = tuple(str(index) for index in range(had, had + count))
            self._logs.update({partition: PartitionLog(self._retention_events) for partition in new})
            self.partitions += new
            self._device.cache_clear()
        return self.partitions

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """`listener(partition)` runs in the publisher's thread each time a partition has more to read."""
        self._listeners.append(listener)

    def partition_of(self, device_id: str) -> str:
        """Returns the partition of a device: always the same for the same device id and partition count."""
        digest = hashlib.blake2b(device_id.encode(), digest_size=4).digest()
        return self.partitions[int.from_bytes(digest, "big") % len(self.partitions)]

    def publish(
        self,
        device_id: str,
        body: bytes,
        *,
        properties: Mapping[str, object] | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        module_id: str | None = None,
        enqueued_at_ms: int | None = None,
    ) -> Position:
        """Put one telemetry event of a device into its partition, and return where it stands.

        `properties` become application properties (str, int, float, bool, bytes, uuid, None).
        `enqueued_at_ms` (milliseconds since 1970) defaults to now. Raises AmqpError if AMQP cannot carry a value.
        """
        system = None
        if content_type or content_encoding or message_id or correlation_id:
            system = Properties(
                content_type=content_type,
                content_encoding=content_encoding,
                message_id=message_id,
                correlation_id=correlation_id,
            )
        sections = device_sections(body, properties or {}, system)
        partition, device = self._device(device_id, module_id)
        return self._append(partition, partial(telemetry, device, sections), enqueued_at_ms)

    def publish_many(self, events: Iterable[Event]) -> int:
        """Put many telemetry events in, in order, at a low cost. Returns their number."""
        total = 0
        bulk: list[tuple[str, tuple[int, bytes], bytes]] = []
        for device_id, body, properties in events:
            bulk.append((*self._device(device_id, None), device_sections(body, properties, None)))
            if len(bulk) == _BULK:
                total += self._append_bulk(bulk)
                bulk = []
        return total + self._append_bulk(bulk)

    def append(self, partition: str, message: Message | bytes, enqueued_at_ms: int | None = None) -> Position:
        """Put an event of any shape into one partition: `message` unchanged, plus sequence number, offset and time.

        Bytes are all sections after the message annotations, and are not checked.
        """
        return self._append(partition, partial(odd_event, message), enqueued_at_ms)

    def _append(self, partition: str, encode: Callable[[int, int, int], bytes], time_ms: int | None) -> Position:
        with self._lock:
            log = self._logs[partition]
            now_ms = int(self._clock() * 1000) if time_ms is None else time_ms
            sequence, offset = log.append(now_ms, encode)
        self._announce(partition)
        return Position(partition, sequence, str(offset))

    def _append_bulk(self, bulk: list[tuple[str, tuple[int, bytes], bytes]]) -> int:
        with self._lock:
            now_ms = int(self._clock() * 1000)
            for partition, device, sections in bulk:
                self._logs[partition].append(now_ms, partial(telemetry, device, sections))
        for partition in {partition for partition, _, _ in bulk}:
            self._announce(partition)
        return len(bulk)

    def _announce(self, partition: str) -> None:
        for listener in self._listeners:
            listener(partition)

    def read(self, partition: str, sequence: int, most_events: int) -> tuple[int, list[bytes]]:
        """See `PartitionLog.read`."""
        with self._lock:
            return self._logs[partition].read(sequence, most_events)

    def query(self, partition: str, ask: Callable[[PartitionLog], _T]) -> _T:
        """Returns what `ask` finds in the partition's log, under the lock."""
        with self._lock:
            log = self._logs[partition]
            log.trim()
            return ask(log)

    def bounds(self, partition: str) -> tuple[int, LastEnqueued]:
        """Returns the sequence number of the oldest event, and the newest event."""
        return self.query(partition, lambda log: (log.begin, log.last))

    def recreate(self) -> None:
        """Become another hub of the same name: empty, numbered from 0."""
        with self._lock:
            self.created_ms = max(int(self._clock() * 1000), self.created_ms + 1)
            for partition in self.partitions:
                self._logs[partition] = PartitionLog(self._retention_events)

    def pause(self, partition: str) -> None:
        """Accept events but show none of them until `resume`."""

        def hold(log: PartitionLog) -> None:
            log.hold = log.visible_end

        self.query(partition, hold)

    def resume(self, partition: str) -> None:
        def show(log: PartitionLog) -> None:
            log.hold = None

        self.query(partition, show)
        self._announce(partition)
