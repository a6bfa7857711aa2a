"""`Delivery` above a Kafka in memory, streams of good and bad events for it, and the check of what became of them."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from ingest.config import Config, Source
from ingest.errors import Undeliverable
from ingest.source.delivery.delivery import Delivery
from ingest.source.events.batch import Batch
from ingest.source.events.event import Event
from ingest.source.formats.contract import Record
from tests.source.delivery.refusing_kafka import BAD, DeadLetterShelf, Pool, RefusingKafka
from tests.source.sample_events import make_event

POLLS = 50_000
STEP_SECONDS = 0.02
REASONS = {
    BAD: "invalid_record",
    b"encoder": "not_encodable",
    b"undeliverable": "body_type",
}


class ToyFormat:
    """Only the body, so that records may be equal; its encoder fails in many ways."""

    def __init__(self, partition: str) -> None: ...

    def encode(self, event: Event) -> Record:
        if event.body.startswith(b"encoder"):
            raise (RecursionError, ValueError, OverflowError, SystemError)[event.sequence_number % 4]("odd")
        if event.body.startswith(b"undeliverable"):
            raise Undeliverable("body_type", "no record of it")
        key = None if event.device_id is None else event.device_id.encode()
        return Record(key, event.body, None, event.enqueued_ms)


class Rig:
    """A `Delivery` above a Kafka in memory, with a clock of its own."""

    def __init__(
        self,
        kafka: RefusingKafka,
        *,
        room: int = 1_000,
        per_minute: int = 0,
        max_record_bytes: Callable[[], int] | None = None,
    ) -> None:
        self.now = 1_000.0
        self.shelf = DeadLetterShelf()
        self.kafka = kafka
        self.pool = Pool(kafka, room=room)
        self.delivery = Delivery(
            Config(source=Source(format="toy", max_dead_letters_per_minute=per_minute)),
            "0",
            max_record_bytes=None,
            topic_partitions=kafka.partitions,
            pool=self.pool,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )
        self.delivery.slow_way._topic_limit._ask = max_record_bytes
        self.delivery.dead_letters.topic = self.shelf  # type: ignore[assignment]

    def poll(self) -> None:
        self.delivery.poll(0.1)
        self.now += STEP_SECONDS

    def run(self, stream: Sequence[Event], *, batch: int = 50) -> None:
        """Gives the whole stream, as there is room."""
        for start in range(0, len(stream), batch):
            for _ in range(POLLS):
                if self.delivery.room:
                    break
                self.poll()
            self.delivery.send(Batch.of(stream[start : start + batch]))
            self.poll()

    def settle(self) -> None:
        for _ in range(POLLS):
            if self.delivery.idle:
                return
            self.poll()
        pytest.fail(f"never idle: {self.delivery.trouble}")

    @property
    def dead(self) -> dict[int, str]:
        """Sequence number → reason."""
        return {
            int(dict(letter.headers)["ingest-sequence-number"] or 0): reason for reason, letter in self.shelf.letters
        }


def stream_of(plan: Sequence[tuple[int, bytes]]) -> list[Event]:
    """Events of (device, kind), device 0 is none; a good one's body is its number within its device."""
    numbers: dict[int, int] = defaultdict(int)
    stream = []
    for sequence, (device, kind) in enumerate(plan):
        body = kind
        if not kind:
            body = b"%d" % numbers[device]
            numbers[device] += 1
        stream.append(make_event(sequence, body=body, device_id=f"dev-{device}" if device else None))
    return stream


def check(rig: Rig, stream: Sequence[Event]) -> int:
    """Returns how many records are there twice."""
    arrived: dict[bytes | None, list[int]] = defaultdict(list)
    for log in rig.kafka.log.values():
        for key, value, _, _ in log:
            arrived[key].append(int(value))
    good = [event for event in stream if event.body.isdigit()]
    expected: dict[bytes | None, list[int]] = defaultdict(list)
    for event in good:
        expected[event.device_id.encode() if event.device_id else None].append(int(event.body))
    assert {key: sorted(set(values)) for key, values in arrived.items()} == dict(expected)
    for key, values in arrived.items():
        last = {number: place for place, number in enumerate(values)}
        late = [number for number in last if number and key is not None and last[number] < last[number - 1]]
        assert not late, f"{key!r}: before what belongs before it"
    wrong = {event.sequence_number: event.body for event in stream if not event.body.isdigit()}
    assert rig.dead == {number: REASONS[kind] for number, kind in wrong.items()}
    assert len(rig.shelf.letters) == len(wrong)
    assert rig.delivery.position == stream[-1].position
    assert rig.delivery.acked == len(good)
    return sum(map(len, arrived.values())) - len(good)
