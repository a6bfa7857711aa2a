"""The short way reads of sections what the way for any message reads of them, or refuses them."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Properties, section
from ingest.amqp.types import Timestamp
from ingest.source.events import sections
from ingest.source.events.decoder import event_of
from ingest.source.events.event import DATA
from ingest.source.events.sections import Sections
from tests.source.messages import odd, usual

BODY = section(0x75, b"\xa0\x01x")
IN_FRONT = usual(newest=None)
IN_FRONT = IN_FRONT[: IN_FRONT.index(BODY[:3])]

texts = st.none() | st.sampled_from(["", "a", "c-1", "c-2", "é", "x" * 255, "x" * 256])
times = st.none() | st.integers(-1, 3) | st.integers(0, 1 << 62)
system = st.builds(
    Properties,
    message_id=texts,
    user_id=st.none() | st.sampled_from([b"u", b"\xff"]),
    to=st.none() | st.just("/devices/a"),
    correlation_id=texts | st.integers(0, 9) | st.uuids(),
    content_type=st.sampled_from([None, "application/json", "text/plain"]),
    content_encoding=st.sampled_from([None, "utf-8"]),
    absolute_expiry_time=times,
    creation_time=times,
    group_id=texts,
).map(Properties.encode)
"""With all thirteen fields, as the emulator writes them."""
fields = st.lists(texts | st.integers(0, 9) | times.map(lambda at: at and Timestamp(at)), max_size=14).map(
    lambda values: section(0x73, encode(values))
)
"""Any number of them, of any simple type."""
properties = st.dictionaries(
    texts.map(str), texts | st.booleans() | st.integers().filter(lambda n: -9 < n < 9), max_size=4
).map(lambda found: section(0x74, encode(found)))
sent = st.tuples(st.just(b"") | system | fields, st.just(b"") | properties)


def said(labels: Any) -> tuple[object, ...]:
    described = labels.correlation_id, labels.content_type, labels.content_encoding
    return *described, repr(labels.system), repr(labels.properties)


def check_same(reader: Sections, front: bytes, behind: bytes = b"") -> bool:
    """Whether the sections in front of a body were read the short way; if so, as by `event_of`, and up to the body."""
    buf = IN_FRONT + front + BODY
    try:
        labels, message_id, at = reader.labels(buf + behind, len(IN_FRONT), len(buf))
    except (AmqpError, IndexError, struct.error, UnicodeDecodeError):
        return False
    if (buf + behind)[at : at + len(BODY)] == BODY:  # else the decoder goes another way
        wanted = event_of(buf[:at] + BODY)
        assert (said(labels), message_id) == (said(wanted.labels), wanted.message_id)
        assert wanted.body_kind == DATA
    return True


@given(sequence=st.lists(sent, min_size=1, max_size=6))
def test_any_sequence_of_sections(sequence: list[tuple[bytes, bytes]]) -> None:
    reader = Sections()
    for _ in range(2):
        for front in sequence:
            check_same(reader, b"".join(front))


@given(
    known=st.lists(sent, min_size=1, max_size=3),
    front=sent.map(b"".join),
    place=st.floats(0, 1, exclude_max=True),
    other=st.sampled_from([0x00, 0x01, 0x40, 0x45, 0x83, 0xA1, 0xC1, 0xFF]),
)
def test_sections_with_a_byte_that_is_another(
    known: list[tuple[bytes, bytes]], front: bytes, place: float, other: int
) -> None:
    reader = Sections()
    for each in (*map(b"".join, known), front):
        check_same(reader, each)
    at = int(place * len(front))
    changed = front[:at] + bytes((other,)) + front[at + 1 :] if front else front
    check_same(reader, changed, behind=front)
    check_same(reader, front)


@pytest.mark.parametrize(
    "system",
    [
        Properties(message_id="m"),
        Properties(correlation_id="c"),
        Properties(correlation_id=5, creation_time=7),
        Properties(message_id="m", correlation_id="c", content_type="text/plain", creation_time=7),
        Properties(to="/devices/a", content_type="text/plain", creation_time=7, group_sequence=3),
    ],
    ids=repr,
)
def test_what_devices_write_is_read_the_short_way(system: Properties) -> None:
    reader = Sections()
    assert all(check_same(reader, system.encode() + section(0x74, encode({"a": "b", "n": 5}))) for _ in range(2))


def test_a_field_that_goes_on_behind_the_end_of_its_list() -> None:
    """Where a body seems to begin inside it."""
    known = section(0x73, encode(["m", None, None, None, None, "c\0Su"]))
    size_at = 4
    broken = known[:size_at] + bytes((known[size_at] - 3,)) + known[size_at + 1 :]
    reader = Sections()
    assert check_same(reader, known)
    assert not check_same(reader, broken + BODY[3:])


def test_little_is_remembered() -> None:
    reader = Sections()
    for n in range(2_000):
        names = {f"{n}": "a", f"{n}{'x' * 100}": "b"}
        check_same(reader, Properties(content_type=f"text/{n}").encode() + section(0x74, encode(names)))
    assert len(reader._names) <= sections.REMEMBERED
    assert len(reader._fields) <= sections.REMEMBERED
    assert max(map(len, (*reader._names, *reader._fields))) <= 64


def test_odd_sections_are_refused() -> None:
    """As far as they hold values of other types; the decoder then asks the way for any message."""
    reader = Sections()
    for name in ("every type in application properties", "text in no encoding", "the same key twice"):
        payload = odd(name)
        with pytest.raises((AmqpError, UnicodeDecodeError)):
            reader.labels(payload, payload.index(b"\x00\x53\x74"), len(payload))
