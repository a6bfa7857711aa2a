"""Bad records of every kind among good ones: each ends in the dead-letter topic with its reason, and stops nothing."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Message

from tests.faults.commands import Headers, header
from tests.faults.sink_rig import SinkRig
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
RECORDS = int(os.environ.get("RECORDS", "400"))
DEVICES = [f"dev-{number}" for number in range(20)]


class Bad(NamedTuple):
    reason: str
    value: bytes
    headers: Headers = ()


def json_command(reason: str, **fields: object) -> Bad:
    return Bad(reason, json.dumps({"deviceId": "dev-1", "message": "bad", **fields}).encode())


KINDS = [
    Bad("malformed", b"not json"),
    Bad("malformed", b"[1, 2]"),
    Bad("malformed", b'"Turn On"'),
    Bad("malformed", b""),
    Bad("malformed", b'{"deviceId": "dev-1", "message": "\xff\xfe"}'),
    Bad("malformed", b'{"deviceId": "dev-1"}'),
    Bad("invalid_device_id", b'{"message": "bad"}'),
    json_command("invalid_device_id", deviceId=True),
    json_command("invalid_device_id", deviceId="a/b"),
    json_command("invalid_device_id", deviceId="d" * 129),
    Bad("invalid_device_id", b"bad", [("deviceId", b"\xff")]),
    json_command("too_large", message="x" * 65_536),
    Bad("malformed", b"\0\0\0\0\x2a\x04dev-1"),
    Bad("malformed", b'{"deviceId": "dev-1", "deviceId": "dev-2", "message": "bad"}'),
    json_command("unknown_field", expirytime="2020-01-01T00:00:00Z"),
    Bad("unknown_field", b"bad", [("deviceId", b"dev-1"), ("Expiry", b"2020-01-01T00:00:00Z")]),
    json_command("module_unsupported", moduleId="m"),
    json_command("invalid_property", properties={"a": "c\0d"}),
    json_command("invalid_property", properties={"a": {}}),
    json_command("invalid_property", properties={"iothub-ack": "full"}),
    json_command("invalid_property", ack="maybe"),
    json_command("invalid_property", messageId=["m"]),
    json_command("invalid_expiry", expiryTime="soon"),
    json_command("expired", expiryTime="2020-01-01T00:00:00Z"),
    Bad("expired", b"bad", [("deviceId", b"dev-1"), ("expiry", b"2020-01-01T00:00:00Z")]),
    json_command("device_not_found", deviceId="nobody"),
    Bad("device_not_found", b"bad", [("deviceId", b"nobody"), ("p-colour", b"red"), ("trace", b"\x00\xff")]),
]


@pytest.fixture
def rig(tmp_path: Path, kafka: KafkaCluster) -> Iterator[SinkRig]:
    with SinkRig(tmp_path, kafka.bootstrap, {"sink": {"sends_per_second": 1_000}}, known_devices=DEVICES) as rig:
        yield rig


def test_every_kind_of_bad_record_among_good_ones(rig: SinkRig) -> None:
    written: dict[bytes, Bad] = {}
    tombstones = 0
    for number in range(RECORDS // 10):
        rig.topics.send(DEVICES[number % 2 :: 2][:9], 1)
        bad = KINDS[number % len(KINDS)]
        key = b"bad-%d" % number
        written[key] = bad
        rig.topics.send_raw(bad.value, key, bad.headers)
        if number % 20 == 0:
            rig.topics.send_raw(None, key)
            tombstones += 1
    rig.topics.flush()
    rig.sink.start()
    letters = rig.topics.dead.read_raw(len(written))
    received = rig.wait_received()
    rig.topics.wait_no_lag()
    assert len(rig.topics.dead.read_raw(len(written))) == len(written)
    assert {letter.key() for letter in letters} == written.keys()
    for letter in letters:
        own = letter.key()
        assert isinstance(own, bytes)
        check(letter, written[own], rig.topics.name)
    assert received.repeats == 0
    assert "nobody" not in received.counters
    rig.sink.wait_metric("sink_commands_total", tombstones, outcome="tombstone")
    rig.sink.wait_metric("sink_commands_total", len(written), outcome="dead_letter")
    rig.sink.wait_metric("sink_commands_total", sum(rig.topics.sent.values()), outcome="sent")
    for reason in {bad.reason for bad in written.values()}:
        expected = sum(bad.reason == reason for bad in written.values())
        assert rig.sink.metric("sink_dead_letters_total", reason=reason) == expected, reason
    rig.sink.wait_ready()
    assert rig.sink.close() == 0


def check(letter: Message, bad: Bad, topic: str) -> None:
    """Reason and sentence, place, and the original with its own headers."""
    assert header(letter, "ingest-reason") == bad.reason, header(letter, "ingest-error")
    assert letter.value() == bad.value
    assert (header(letter, "ingest-error") or "").count(" ") >= 3, "no sentence"
    assert header(letter, "ingest-topic") == topic
    place = (header(letter, "ingest-partition"), header(letter, "ingest-offset"))
    assert all(each is not None and each.isdigit() for each in place)
    own = [each for each in letter.headers() or [] if not each[0].startswith("ingest-")]
    assert own == [*bad.headers]
