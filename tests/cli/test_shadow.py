"""`ingest shadow` from its command line: topics that are there, and topics that grow while it reads."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from ingest.cli.main import main
from ingest.errors import EXIT_CRASH, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.source.events.event import Event, Labels, Origin
from ingest.source.formats import make
from tests.services.kafka import IN_ORDER, KafkaCluster

PATIENCE = 60.0
T0 = 1_700_000_000_000
FROM = "2023-11-14T22:13:20Z"
PARTITIONS = 3


def event(number: int, body: bytes | None = None, **properties: str) -> Event:
    origin = Origin(f"dev-{number % 5}", None, {"iothub-message-source": "Telemetry"}, {})
    labels = Labels("c", "application/json", "utf-8", {}, {"n": str(number), **properties})
    return Event(number, str(number * 100), T0 + number, body or b"\xffbody %d" % number, T0, "m", origin, labels)


class Topics:
    """Two of their own, as the old connector and ours write them."""

    def __init__(self, bootstrap: str, old_format: str = "connect-json", new_format: str = "json") -> None:
        self.bootstrap = bootstrap
        self.old, self.new = (f"shadow-{side}-{uuid4().hex[:8]}" for side in ("old", "new"))
        self._formats = {self.old: make(old_format, "0", 1), self.new: make(new_format, "0", 1)}
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **IN_ORDER})
        self._turn = count()

    def write(self, topic: str, events: Iterable[Event]) -> None:
        for each in events:
            key, value, headers, time_ms = self._formats[topic].encode(each)
            # The old connector gives no key and no time.
            where = {"partition": next(self._turn) % PARTITIONS} if topic == self.old else {"timestamp": time_ms}
            self.put(topic, value, key=key if topic == self.new else None, headers=headers, **where)
        assert self._producer.flush(PATIENCE) == 0

    def put(self, topic: str, value: bytes | None, **how: Any) -> None:
        self._producer.produce(topic, value, **how)

    def compare(self, *options: str) -> int:
        return main(
            [
                *("shadow", "--topic-old", self.old, "--topic-new", self.new),
                *("--set", f"kafka.bootstrap_servers={self.bootstrap}", *options),
            ]
        )


def topics_of(kafka: KafkaCluster, *formats: str) -> Topics:
    topics = Topics(kafka.bootstrap, *formats)
    create_topics(kafka.bootstrap, {}, [TopicSpec(name, PARTITIONS) for name in (topics.old, topics.new)], PATIENCE)
    return topics


ALL = ("--from", FROM, "--seconds", "0.1")


@pytest.mark.parametrize(("old_format", "new_format"), [("connect-string", "json"), ("connect-avro", "raw")])
def test_topics_with_the_same_events_are_equal(
    kafka: KafkaCluster, old_format: str, new_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = topics_of(kafka, old_format, new_format)
    events = [event(number) for number in range(50)]
    topics.write(topics.old, [*events, event(-1, b"before the time that is compared")])
    topics.write(topics.new, reversed(events))
    assert topics.compare(*ALL) == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.startswith("compared    50 events since 2023-11-14T22:13:20.000Z\n")
    assert shown.endswith("Both topics say the same.\n")


def test_what_differs_is_shown_with_its_place(kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]) -> None:
    topics = topics_of(kafka)
    topics.write(topics.old, [event(number) for number in range(20) if number != 4])
    topics.write(topics.new, [event(number) for number in range(20) if number not in (3, 6, 7)])
    topics.write(topics.new, [event(6, level="hi\x1b"), event(7, b"other"), event(9)])
    topics.put(topics.new, b"what?", partition=0)
    topics.write(topics.new, [])
    assert topics.compare(*ALL, "--grace", "0.1") == EXIT_CRASH
    shown = capsys.readouterr().out
    for line in (
        "compared    18 events",
        "differing   2",
        "  content: 1",
        "  properties.level: 1",
        "  dev-1, sequence number 6, 2023-11-14T22:13:20.006Z",
        "    properties.level: nothing → 'hi\\x1b'",
        "    content: '\ufffdbody 7' → 'other'",
        f"missing     1 events of {topics.old} are not in {topics.new}",
        f"extra       1 events of {topics.new} are not in {topics.old}",
        f"repeated    1 events of {topics.new} come again more often than in {topics.old}",
        f"unreadable  1 records of {topics.new}",
        "The topics differ.",
    ):
        assert f"\n{line}" in f"\n{shown}", line
    assert topics.compare(*ALL, "--grace", "0.1", "--json") == EXIT_CRASH
    told = json.loads(capsys.readouterr().out)
    counts = {name: told[name] for name in ("equal", "compared", "differing", "missing", "extra")}
    assert counts == {"equal": False, "compared": 18, "differing": 2, "missing": 1, "extra": 1}
    assert [each["sequenceNumber"] for each in told["examples"]["missing"]] == [3]
    assert [each["sequenceNumber"] for each in told["examples"]["extra"]] == [4]
    assert [each["sequenceNumber"] for each in told["examples"]["repeated_new"]] == [9]


def test_a_topic_that_is_behind_is_no_proof(kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]) -> None:
    topics = topics_of(kafka)
    topics.write(topics.old, [event(number) for number in range(20)])
    topics.write(topics.new, [event(number) for number in range(15)])
    assert topics.compare(*ALL, "--grace", "0.1") == EXIT_CRASH
    shown = capsys.readouterr().out
    assert f"behind      5 events of {topics.old} are later than all of {topics.new}, which has come to 2023" in shown
    assert "missing     0\n" in shown
    assert "One has not come to the end of the other within 0.1 s" in shown


def test_what_comes_within_the_grace_is_not_missing(kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]) -> None:
    topics = topics_of(kafka)
    topics.write(topics.old, [event(number) for number in range(20)])
    topics.write(topics.new, [event(number) for number in range(15)])
    late = threading.Timer(2.0, topics.write, (topics.new, [event(number) for number in range(15, 30)]))
    late.start()
    try:
        assert topics.compare(*ALL) == EXIT_OK, capsys.readouterr().out
    finally:
        late.join(PATIENCE)


def test_a_topic_that_begins_later_is_told(kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]) -> None:
    topics = topics_of(kafka)
    topics.write(topics.old, [event(number) for number in range(20)])
    topics.write(topics.new, [event(number) for number in range(15, 20)])
    assert topics.compare(*ALL, "--grace", "0.1") == EXIT_CRASH
    begin = "2023-11-14T22:13:20.015Z"
    assert f"if it was not written before, compare from there with --from {begin}.\n" in capsys.readouterr().out
    assert topics.compare("--from", begin, "--seconds", "0.1") == EXIT_OK


def test_nothing_is_no_proof(kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]) -> None:
    topics = topics_of(kafka)
    for name in (topics.old, topics.new):
        topics.write(name, [event(number) for number in range(5)])
    assert topics.compare("--seconds", "0.1") == EXIT_CRASH
    assert "Nothing was compared: neither topic got an event in this time." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--topic-old", "a", "--topic-new", "a"], EXIT_USAGE, "are both a: name two topics"),
        (["--topic-old", "a", "--topic-new", "b", "--from", "today"], EXIT_USAGE, "'today' is not an RFC 3339 time"),
        (["--topic-old", "a", "--topic-new", "b", "--from", "2026-11-27T09:00:00"], EXIT_USAGE, "with its zone"),
        (["--topic-old", "a-b-c", "--topic-new", "b", "--seconds", "1"], EXIT_UNAVAILABLE, "'a-b-c' does not exist"),
    ],
)
def test_what_cannot_be_compared_is_told(
    kafka: KafkaCluster, options: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        ended = main(["shadow", *options, "--set", f"kafka.bootstrap_servers={kafka.bootstrap}"])
    except SystemExit as usage:
        ended = int(usage.code or 0)
    assert ended == code
    assert why in capsys.readouterr().err
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    assert "a-b-c" not in admin.list_topics(timeout=PATIENCE).topics, "nothing was written, not even a topic"


@contextmanager
def written_meanwhile(topics: Topics, first: int, *, every_tenth: bool) -> Iterator[None]:
    """Each event from number `first` on comes to the old topic, and a little later to the new one."""
    over = threading.Event()

    def write() -> None:
        for number in count(first):
            topics.write(topics.old, [event(number)])
            over.wait(0.02)
            if number % 10 or every_tenth:
                topics.write(topics.new, [event(number)])
            if over.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


def test_of_topics_that_grow_what_is_on_its_way_is_not_missing(
    kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = topics_of(kafka, "connect-string")
    for name in (topics.old, topics.new):
        topics.write(name, [event(number) for number in range(5)])
    with written_meanwhile(topics, 5, every_tenth=True):
        assert topics.compare("--seconds", "1.5", "--json") == EXIT_OK
    first = json.loads(capsys.readouterr().out)
    assert first["compared"] > 0
    with written_meanwhile(topics, 100_000, every_tenth=False):
        assert topics.compare("--seconds", "1.5", "--grace", "1", "--json") == EXIT_CRASH
    second = json.loads(capsys.readouterr().out)
    assert second["missing"] > 0
    assert {each["sequenceNumber"] % 10 for each in second["examples"]["missing"]} == {0}
    assert (second["differing"], second["extra"], second["behind_old"]) == (0, 0, 0)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # kept, as its end drops what it was asked
    groups = admin.list_consumer_groups().result(PATIENCE)
    assert [each.group_id for each in groups.valid if "shadow" in each.group_id] == []
