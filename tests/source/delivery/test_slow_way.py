"""What is held back: behind the dead-letter limit, and while the topic's own limit is asked for."""

import pytest
from confluent_kafka import KafkaError

from ingest.errors import RestartRequired, Undeliverable
from ingest.source.delivery.dead_letter_limit import DeadLetterLimit
from ingest.source.events.event import Event
from ingest.source.formats import FORMATS
from ingest.source.formats.contract import Record
from ingest.timing import Deadline
from tests.source.delivery.refusing_kafka import BAD, RefusingKafka
from tests.source.delivery.rig import POLLS, STEP_SECONDS, Rig, check, stream_of
from tests.source.sample_events import make_event

ODD = b"undeliverable"


def kafka_of(partitions: int = 1) -> RefusingKafka:
    return RefusingKafka(1, partitions=partitions, names_culprits=False)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> "type[Mendable]":
    class Made(Mendable):
        broken = True

    monkeypatch.setitem(FORMATS, "toy", Made)
    return Made


class Mendable:
    """Cannot carry some bodies, as long as it is broken."""

    broken = True

    def __init__(self, partition: str) -> None: ...

    def encode(self, event: Event) -> Record:
        if self.broken and event.body.startswith(ODD):
            raise Undeliverable("body_type", "no record of it")
        key = None if event.device_id is None else event.device_id.encode()
        return Record(key, event.body, None, event.enqueued_ms)


def wait(rig: Rig, seconds: float) -> None:
    for _ in range(int(seconds / STEP_SECONDS)):
        rig.poll()


def test_so_many_in_a_minute() -> None:
    limit = DeadLetterLimit(2)
    assert [limit.admit(now) for now in (100.0, 110.0, 120.0)] == [True, True, False]
    assert limit.reached
    assert not limit.admit(159.0)
    assert limit.admit(160.0), "a minute after the first"
    assert not limit.reached
    assert limit.admit(161.0)
    assert not limit.admit(162.0)
    limit.mended()
    assert not limit.reached


def test_zero_is_no_limit() -> None:
    limit = DeadLetterLimit(0)
    assert all(limit.admit(1.0) for _ in range(100_000))
    assert not limit.reached


@pytest.mark.parametrize("kind", [ODD, BAD], ids=["not a record", "refused by Kafka"])
def test_more_dead_letters_than_allowed_stop_the_partition_until_the_minute_is_over(kind: bytes) -> None:
    rig = Rig(kafka_of(), per_minute=10)
    stream = stream_of([(1, b""), *([(1, kind), (2, b"")] * 25), (1, b"")])
    rig.run(stream, batch=len(stream))
    wait(rig, 30)
    assert len(rig.shelf.letters) == 10
    assert rig.delivery.held_back["dead_letter_limit"]
    assert not rig.delivery.room or not rig.delivery.idle
    trouble = rig.delivery.trouble or ""
    assert "10 dead letters in a minute" in trouble
    assert "source.max_dead_letters_per_minute" in trouble
    assert ("body_type" if kind == ODD else "invalid_record") in trouble
    # Everything before the event that waits is safe, and nothing behind it is said to be.
    assert rig.delivery.position is None
    wait(rig, 60)
    assert len(rig.shelf.letters) == 20
    rig.settle()
    assert len(rig.shelf.letters) == 25
    assert not rig.delivery.held_back["dead_letter_limit"]
    assert rig.delivery.trouble is None
    assert rig.delivery.position == stream[-1].position


def test_what_waits_behind_the_limit_is_delivered_when_the_cause_is_mended(toy: type[Mendable]) -> None:
    rig = Rig(kafka_of(), per_minute=3)
    stream = [make_event(n, body=ODD + b"%d" % n, device_id="dev-1") for n in range(500)]
    rig.run(stream, batch=len(stream))
    wait(rig, 20)
    assert len(rig.shelf.letters) == 3
    toy.broken = False
    rig.settle()
    assert len(rig.shelf.letters) == 3
    assert [record[1] for record in rig.kafka.log[0]] == [event.body for event in stream[3:]]
    assert rig.delivery.trouble is None
    assert rig.delivery.position == stream[-1].position


def test_suspects_behind_the_limit_are_delivered_when_kafka_takes_them() -> None:
    rig = Rig(kafka_of(2), per_minute=3)
    bad = stream_of([(1, BAD), (2, b"")] * 10)
    rig.run(bad)
    wait(rig, 5)
    assert len(rig.shelf.letters) == 3
    rig.kafka.mend()
    rig.settle()
    assert len(rig.shelf.letters) == 3
    assert sum(record[1] == BAD for log in rig.kafka.log.values() for record in log) == 7


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_what_no_record_is_to_blame_for_ends_the_process_and_is_no_dead_letter(code: int) -> None:
    rig = Rig(kafka_of())
    rig.kafka.failing, rig.kafka.failure = {0}, code
    rig.delivery.send(stream_of([(1, b"")] * 10))
    with pytest.raises(RestartRequired, match=KafkaError(code).name()):
        rig.settle()
    assert not rig.shelf.letters
    assert rig.delivery.position is None


def test_one_that_was_refused_before_is_no_dead_letter_when_a_right_is_missing_now() -> None:
    rig = Rig(kafka_of())
    stream = stream_of([(1, b""), (1, BAD), (2, b"")])
    rig.run(stream)
    for _ in range(POLLS):
        if rig.delivery.slow_way._suspects.held:
            break
        rig.poll()
    rig.kafka.failing, rig.kafka.failure = {0}, KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(RestartRequired, match="TOPIC_AUTHORIZATION_FAILED"):
        rig.settle()
    assert not rig.shelf.letters
    assert not rig.delivery.join(Deadline(60.0), while_waiting=lambda: None), "whoever saves what Kafka has is told"
    assert not rig.delivery.idle


def test_a_few_refused_with_nothing_beside_them_are_dead_letters_soon() -> None:
    rig = Rig(kafka_of())
    stream = stream_of([(1, b""), (1, BAD), (2, BAD)])
    rig.run(stream)
    before = rig.now
    rig.settle()
    assert rig.now - before < 5
    check(rig, stream)


def test_too_large_for_the_broker_but_not_for_the_client_asks_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """`message.max.bytes` above the topic's limit: whole batches are refused for their size."""
    kafka = kafka_of()
    kafka.most_bytes = 500
    rig = Rig(kafka, max_record_bytes=lambda: 500)
    stream = [make_event(n, body=b"x" * (600 if n == 26 else 50), device_id="dev-1") for n in range(52)]
    rig.run(stream)
    rig.settle()
    assert len(rig.kafka.log[0]) == 51
    assert rig.dead == {26: "too_large"}
    assert rig.pool.max_record_bytes == 500


def test_a_limit_that_was_raised_is_noticed_before_an_event_becomes_a_dead_letter() -> None:
    kafka = kafka_of()
    limits = [500]
    rig = Rig(kafka, max_record_bytes=lambda: limits[-1])
    rig.pool.limit(500)
    rig.run([make_event(0, body=b"x" * 600)])
    rig.settle()
    assert rig.dead == {0: "too_large"}
    limits.append(1_000)
    wait(rig, 60)
    rig.run([make_event(1, body=b"x" * 600)])
    rig.settle()
    assert rig.dead == {0: "too_large"}
    assert len(kafka.log[0]) == 1
