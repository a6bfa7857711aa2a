import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.migrate.positions import Entry, Owner, positions

OWNER = Owner("AzureIotHubConnector", "hub")


def entry(partition: object, offset: object, owner: Owner = OWNER, *, wrapped: bool = False) -> Entry:
    key: Any = [owner.connector, {"EventHubName": owner.event_hub, "EventHubPartition": partition}]
    value: Any = {"EventHubOffset": offset}
    if wrapped:
        key, value = {"schema": None, "payload": key}, {"schema": None, "payload": value}
    return Entry(json.dumps(key).encode(), None if offset is None else json.dumps(value).encode())


def test_the_last_of_a_key_counts_and_a_tombstone_takes_it_away() -> None:
    entries = [entry("0", "1"), entry("1", "5"), entry("0", "2"), entry("10", "7"), entry("1", None), entry("2", "3")]
    assert list(positions(entries, OWNER).offsets.items()) == [("0", "2"), ("2", "3"), ("10", "7")]
    assert positions([*entries, entry("1", "6")], OWNER).offsets["1"] == "6"


@pytest.mark.parametrize("value", [b"null", b'{"schema":null,"payload":null}', b'{"EventHubOffset":"  "}'])
def test_what_stands_for_no_position(value: bytes) -> None:
    found = positions([entry("0", "1"), Entry(entry("0", "1").key, value)], OWNER)
    assert (dict(found.offsets), dict(found.unreadable)) == ({}, {})


def test_offsets_are_trimmed_and_may_be_opaque() -> None:
    entries = [entry("0", " 7 "), entry("1", "-1"), entry("2", "1:4295:8589934592")]
    assert positions(entries, OWNER).offsets == {"0": "7", "1": "-1", "2": "1:4295:8589934592"}


@pytest.mark.parametrize("offset", [7, "-5", "o'clock", "x\ny", ["7"], "9" * 2000])
def test_what_is_no_offset_is_told(offset: object) -> None:
    found = positions([entry("0", offset), entry("1", "7")], OWNER)
    assert dict(found.offsets) == {"1": "7"}
    assert found.unreadable.keys() == {"0"}


def test_the_form_that_the_worker_writes_wins_over_what_is_left_of_the_other() -> None:
    entries = [entry("0", "1", wrapped=True), entry("0", "2"), entry("0", "3", wrapped=True)]
    assert positions(entries, OWNER).offsets == {"0": "2"}
    assert positions(entries, OWNER, wrapped=True).offsets == {"0": "3"}
    assert positions(entries[:1], OWNER).offsets == {"0": "1"}


def test_others_positions_are_named_and_left_alone() -> None:
    other, hub = Owner("second", "hub"), Owner(OWNER.connector, "Hub")
    foreign = [
        Entry(b'["file",{"filename":"a"}]', b'{"position":1}'),
        Entry(None, b"{}"),
        Entry(b"\xff", None),
        Entry(b"[" * 100_000, b"{}"),
        Entry(b'["x",{"EventHubName":"hub","EventHubPartition":"0","more":1}]', b"{}"),
    ]
    found = positions([entry("0", "1", other), entry("1", "2", hub), *foreign], OWNER)
    assert (dict(found.offsets), dict(found.unreadable)) == ({}, {})
    assert found.others == (hub, other)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 99)), max_size=30), st.booleans())
def test_a_log_and_what_is_left_after_compaction_say_the_same(log: list[tuple[int, int | None]], wrapped: bool) -> None:
    entries = [
        entry(str(partition), offset if offset is None else str(offset), wrapped=wrapped) for partition, offset in log
    ]
    compacted = list({each.key: each for each in entries}.values())
    wanted = {str(partition): str(offset) for partition, offset in dict(log).items() if offset is not None}
    assert positions(entries, OWNER).offsets == positions(compacted, OWNER).offsets == wanted


@settings(max_examples=40)
@given(st.lists(st.tuples(st.none() | st.binary(max_size=30), st.none() | st.binary(max_size=30)), max_size=5))
def test_any_entries_are_read(pairs: list[tuple[bytes | None, bytes | None]]) -> None:
    assert dict(positions([Entry(*pair) for pair in pairs], OWNER).offsets) == {}
