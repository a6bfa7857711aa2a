"""Leases of Event Processor Hosts, as each of them writes its JSON, and as a hostile hand would."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.checkpoints.lease import LARGEST_BYTES, position_in

DOTNET = {
    "Offset": "8591964920",
    "SequenceNumber": 960180,
    "PartitionId": "0",
    "Owner": "a",
    "Token": "b",
    "Epoch": 386,
}
JAVA = {"partitionId": "0", "epoch": 3, "owner": "a", "token": "b", "offset": "8591964920", "sequenceNumber": 960180}
PYTHON = {
    "event_processor_context": None,
    "partition_id": "0",
    "owner": "a",
    "token": "b",
    "epoch": 3,
    "offset": "8591964920",
    "sequence_number": 960180,
}


@pytest.mark.parametrize("lease", [DOTNET, JAVA, PYTHON], ids=[".NET", "Java", "Python"])
def test_every_host_s_keys(lease: dict[str, Any]) -> None:
    assert position_in(json.dumps(lease).encode(), "0") == ("8591964920", 960180)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Offset": 8591964920}, ("8591964920", 960180)),
        ({"SequenceNumber": "960180"}, ("8591964920", 960180)),
        ({"Offset": None}, (None, 960180)),
        ({"Offset": "no offset"}, (None, 960180)),
        ({"SequenceNumber": None}, ("8591964920", None)),
        ({"SequenceNumber": 0, "Offset": "0"}, ("0", 0)),
        ({"Offset": None, "SequenceNumber": 0}, None),
        ({"Offset": "", "SequenceNumber": 0}, None),
        ({"Offset": "-1", "SequenceNumber": 0}, None),
        ({"Offset": None, "SequenceNumber": -(1 << 63)}, None),
        ({"PartitionId": None}, ("8591964920", 960180)),
    ],
)
def test_what_is_known_and_what_is_not_yet(changes: dict[str, Any], expected: object) -> None:
    assert position_in(json.dumps({**DOTNET, **changes}).encode(), "0") == expected


def test_bytes_around_the_json_do_no_harm() -> None:
    lease = json.dumps(DOTNET).encode()
    assert position_in(b"\xef\xbb\xbf" + lease + b"\0" * 512, "0") == ("8591964920", 960180)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[1]", "it is not a JSON object"),
        (b"{}", "neither an offset nor a sequence number"),
        (json.dumps({**DOTNET, "PartitionId": "1"}).encode(), "it is about partition '1'"),
        (json.dumps({**DOTNET, "Offset": ["1"]}).encode(), "neither text nor a whole number"),
        (json.dumps({**DOTNET, "SequenceNumber": 1.5}).encode(), "neither text nor a whole number"),
        (json.dumps({**DOTNET, "SequenceNumber": True}).encode(), "neither text nor a whole number"),
        (json.dumps({**DOTNET, "Offset": "x' OR 1", "SequenceNumber": 0}).encode(), "is no position"),
        (json.dumps({**DOTNET, "Offset": None, "SequenceNumber": 1 << 63}).encode(), "is no position"),
        (b'{"Offset": ' + b"9" * 5_000 + b"}", "it is not JSON"),
        (b"[" * 60_000, "it is not JSON"),
        (json.dumps({**DOTNET, "Owner": "x" * LARGEST_BYTES}).encode(), "it is larger than"),
    ],
    ids=range(14),
)
def test_everything_else_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        position_in(content, "0")


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_hostile_bytes_are_a_reason_and_nothing_else(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        position_in(content, "0")
