"""The same with librdkafka below, whose mock cluster refuses requests at random: both formats, and one whose records can be
equal. Several partitions' deliveries run side by side, as their waits are longer than their work."""

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from ingest.config import Config, Kafka, Source
from ingest.kafka.mock_cluster import MockCluster
from ingest.source.delivery.delivery import Delivery
from ingest.source.events.batch import Batch
from ingest.source.events.event import Event
from ingest.source.formats import FORMATS
from ingest.source.formats.contract import Record
from ingest.timing import Deadline
from tests.source.sample_events import make_event

PATIENCE = 60.0
PRODUCE = 0
STREAMS = 12
"""Of each of `SIDE_BY_SIDE` deliveries."""
SIDE_BY_SIDE = 6
LIMIT = 4_000
REFUSED = (KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP, KafkaError.MSG_SIZE_TOO_LARGE)
MOST_REPEATS = 20
"""Of a device in all its streams: a pause of this machine may cut in two what is sent together."""
DEVICES = (None, "dev-1", "dev-2", "dev-3")


class ToyFormat:
    """Only the body, so that records may be equal."""

    def __init__(self, partition: str) -> None: ...

    def encode(self, event: Event) -> Record:
        if event.body_kind != "data":
            raise RecursionError("maximum recursion depth exceeded")
        key = None if event.device_id is None else event.device_id.encode()
        return Record(key, event.body, None, event.enqueued_ms)


BESIDES = {"beside the body": "kept"}
BAD: dict[str, tuple[str, Callable[[int], Event]]] = {
    "malformed": (
        "malformed",
        lambda n: make_event(n, body=b"\x00SwE", body_kind="malformed", device_id="dev-1"),
    ),
    "large": ("too_large", lambda n: make_event(n, body=b"x" * 5_000, device_id="dev-2", properties=BESIDES)),
    "surrogate": ("not_encodable", lambda n: make_event(n, device_id="dev-\ud800")),
    "name": ("not_encodable", lambda n: make_event(n, properties={"half \ud800": "x"}, device_id="dev-2")),
}
OF_FORMAT = {
    "json": ("malformed", "large", "surrogate"),
    "raw": ("malformed", "large", "surrogate", "name"),
    "toy": ("malformed", "large"),
}


class Run:
    """One delivery, and what it was given."""

    def __init__(self, cluster: MockCluster, record_format: str, number: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(number)
        self.format = record_format
        self.topic = f"{record_format}-{number}"
        self.partitions = 1 + number % 2
        cluster.create_topic(self.topic, self.partitions)
        cluster.create_topic(f"{self.topic}.dead", 1)
        kafka = Kafka(
            bootstrap_servers=cluster.bootstrap,
            librdkafka={"message.max.bytes": str(LIMIT), "linger.ms": "20"},
        )
        source = Source(topic=self.topic, dead_letter_topic=f"{self.topic}.dead", format=record_format)
        self.delivery = Delivery(Config(kafka=kafka, source=source), "3", max_record_bytes=None, topic_partitions=1)
        self.delivery.start()
        self.good: list[Event] = []
        self.bad: dict[int, str] = {}
        self.sequence = 0
        self.left = STREAMS

    def next_stream(self) -> None:
        self.left -= 1
        # Any request may be hit, of dead letters, too. No good record is refused so often that it is blamed.
        self.cluster.clear_errors(PRODUCE)
        self.cluster.push_errors(PRODUCE, [self.rng.choice(REFUSED) for _ in range(self.rng.randint(0, 3))])
        for _ in range(self.rng.randint(1, 3)):
            self.delivery.send(Batch.of([self._event() for _ in range(self.rng.randint(1, 12))]))

    def _event(self) -> Event:
        self.sequence += 1
        if self.rng.random() < 0.2:
            reason, make = BAD[self.rng.choice(OF_FORMAT[self.format])]
            if self.format == "toy" and reason == "malformed":
                reason = "not_encodable"
            if self.format == "json" and reason == "not_encodable":
                reason = "not_json"
            self.bad[self.sequence] = reason
            return make(self.sequence)
        self.good.append(
            make_event(
                self.sequence,
                body=b"%d" % (self.sequence if self.rng.random() < 0.5 else 7),
                device_id=self.rng.choice(DEVICES),
                properties={"p": "x"},
            )
        )
        return self.good[-1]

    def check(self) -> None:
        cluster = self.cluster
        found: dict[bytes | None, list[bytes]] = defaultdict(list)
        for key, value, headers in read(cluster, self.topic, self.partitions, len(self.good)):
            found[key].append(
                {"raw": dict(headers).get("sequenceNumber", b""), "json": _number(value), "toy": value}[self.format]
            )
        sent: dict[bytes | None, list[bytes]] = defaultdict(list)
        for event in self.good:
            own = event.body if self.format == "toy" else b"%d" % event.sequence_number
            sent[event.device_id.encode() if event.device_id else None].append(own)
        for key in (None, b"dev-1", b"dev-2", b"dev-3"):
            missing = Counter(sent[key]) - Counter(found[key])
            assert not missing, f"{key!r}: {missing}"
            assert len(found[key]) - len(sent[key]) <= MOST_REPEATS
            if self.format != "toy" and key is not None:
                last = dict(zip(found[key], range(len(found[key])), strict=True))
                assert sorted(last, key=last.__getitem__) == sent[key]
        letters = [dict(headers) for _, _, headers in read(cluster, f"{self.topic}.dead", 1, len(self.bad))]
        assert {int(each["ingest-sequence-number"]): each["ingest-reason"].decode() for each in letters} == self.bad
        # All that the event had; but of what is refused in every other form the position alone.
        large = [each for each in letters if each["ingest-reason"] == b"too_large" and "sequenceNumber" in each]
        assert large
        assert [each["p-beside the body"] for each in large] == [b"kept"] * len(large)
        assert self.delivery.acked == len(self.good)
        assert self.delivery.position is not None
        assert self.delivery.position.sequence_number == self.sequence
        assert Counter(self.delivery.dead_letters.topic.written) == Counter(self.bad.values())


def _number(value: bytes) -> bytes:
    return value.partition(b'"sequenceNumber":')[2].partition(b",")[0]


def read(
    cluster: MockCluster, topic: str, partitions: int, least: int
) -> list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]]:
    """All that is there, `least` or more."""
    consumer = Consumer(
        {"bootstrap.servers": cluster.bootstrap, "group.id": "r", "enable.partition.eof": True, "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]] = []
    ends = 0
    deadline = Deadline(PATIENCE)
    while (ends < partitions or len(found) < least) and not deadline.expired:
        for message in consumer.consume(1_000, 0.1):
            if message.error() is not None:
                ends += 1
                continue
            key, value = message.key(), message.value()
            assert not isinstance(key, str)
            assert isinstance(value, bytes)
            headers = message.headers() or []
            found.append((key, value, [(name, bytes(item or b"")) for name, item in headers]))  # type: ignore[arg-type, str-unpack]
    consumer.close()
    return found


@pytest.fixture
def clusters() -> Iterator[list[MockCluster]]:
    """One for each delivery, so that each meets the errors that are meant for it."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(MockCluster()) for _ in range(SIDE_BY_SIDE)]


@pytest.mark.parametrize("record_format", ["json", "toy"])
def test_refusals_at_random_places_lose_nothing_and_stop_nothing(
    clusters: list[MockCluster], monkeypatch: pytest.MonkeyPatch, record_format: str
) -> None:
    monkeypatch.setitem(FORMATS, "toy", ToyFormat)
    monkeypatch.setattr("ingest.kafka.dead_letters.topic.max_record_bytes", lambda *_: None)
    monkeypatch.setattr("ingest.source.delivery.suspects.PATIENCE_SECONDS", 0.05, raising=False)
    runs = [Run(cluster, record_format, number) for number, cluster in enumerate(clusters)]
    deadline = Deadline(PATIENCE)
    while any(run.left or not run.delivery.idle for run in runs):
        assert not deadline.expired, [run.delivery.trouble for run in runs]
        for run in runs:
            if run.left and run.delivery.idle:
                run.next_stream()
            run.delivery.poll(0.002)
    for run in runs:
        run.check()
