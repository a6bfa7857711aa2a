"""Records of events, as the formats write them."""

from collections.abc import Sequence

from ingest.audit.counting import Counter, Held
from ingest.audit.sightings import Foreign, of_record
from ingest.source.events.event import Event, Labels, Origin
from ingest.source.formats import make

T0 = 1_700_000_000_000
"""2023-11-14T22:13:20Z"""


class Fetched:
    """A record as a consumer has it."""

    def __init__(self, value: bytes | None, headers: Held = None, partition: int = 0) -> None:
        self._value, self.held, self._partition = value, headers, partition

    def value(self) -> bytes | None:
        return self._value

    def partition(self) -> int:
        return self._partition


def event(number: int, device: str | None = "dev-0", time_ms: int | None = None, body: bytes = b"{}") -> Event:
    """The event with this number, a second after the one before it."""
    origin = Origin(device, None, {"iothub-message-source": "Telemetry"}, {})
    labels = Labels("c", "application/json", "utf-8", {}, {"n": str(number)})
    at = T0 + 1000 * number if time_ms is None else time_ms
    return Event(number, str(number * 100), at, body, T0, "m", origin, labels)


def fetched(one: Event, partition: str = "0", record_format: str = "json", place: int = 0) -> Fetched:
    record = make(record_format, partition, 7).encode(one)
    return Fetched(record.value, record.headers, place)


def take(counting: Counter, records: Sequence[Fetched]) -> int:
    """Counts records; returns how many are not ours."""
    foreign = 0

    def other(record: Fetched, held: Held) -> None:
        nonlocal foreign
        try:
            counting.add(of_record(record.value(), held or (), lambda _: None), record.partition())
        except Foreign:
            foreign += 1

    counting.take(records, [record.held for record in records], other)
    return foreign
