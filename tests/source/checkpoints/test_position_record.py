import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.checkpoints import Checkpoint, Scope
from ingest.source.checkpoints.position_record import PositionRecord, decoded, key_of, transactional_id
from ingest.source.checkpoints.store import Damaged

NUMBERS = st.integers(-1, 2**63 - 1)
SCOPE = Scope("Plant.servicebus.windows.net", "IotHub-EHub-1", "$Default")


@given(st.one_of(st.none(), st.text()), NUMBERS, st.none() | NUMBERS)
def test_what_was_written_is_read(offset: str | None, number: int, created: int | None) -> None:
    record = PositionRecord(offset, number, created)
    assert decoded(record.encoded(), "3", "here") == record


def test_the_form_that_others_rely_on() -> None:
    value = PositionRecord("12890070640", 4711, 1_700_000_000_000).encoded()
    assert json.loads(value) == {"offset": "12890070640", "sequenceNumber": 4711, "hubCreatedMs": 1_700_000_000_000}
    assert key_of(SCOPE, "3") == b"plant.servicebus.windows.net/iothub-ehub-1/$default/3"
    assert transactional_id(SCOPE, "3") == "ingest/plant.servicebus.windows.net/iothub-ehub-1/$default/3"
    found = decoded(b'{"offset":"8","sequenceNumber":2,"epoch":null,"more":[1]}', "3", "here")
    assert found.checkpoint("3") == Checkpoint("3", "8", 2), "what another version adds is no matter"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{}",
        b'{"offset":1,"sequenceNumber":1}',
        b'{"offset":"1","sequenceNumber":true}',
        b'{"offset":"1","sequenceNumber":1,"hubCreatedMs":"x"}',
        b'{"offset":"1","sequenceNumber":1.5}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_position_is_told_with_the_way_out(value: bytes) -> None:
    with pytest.raises(Damaged, match=r"offset 7 of positions is no position of ingest: .*checkpoints reset"):
        decoded(value, "3", "offset 7 of positions")
