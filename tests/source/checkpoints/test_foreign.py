"""What the processors of other languages write for a position, and for none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.checkpoints.foreign import position_of

SMALLEST = str(-(1 << 63))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"offset": "4611", "sequencenumber": "17"}, ("4611", 17)),
        ({"Offset": "4611", "Sequencenumber": "17"}, ("4611", 17)),  # Go gets and gives header case
        ({"OFFSET": "4611", "SEQUENCENUMBER": "17"}, ("4611", 17)),
        ({"offset": "no offset", "sequencenumber": "49", "clientidentifier": "x"}, (None, 49)),  # .NET before 5.12
        ({"offset": "", "sequencenumber": "49", "replicationsegment": "3"}, (None, 49)),  # .NET
        ({"offset": "None", "sequencenumber": "49"}, (None, 49)),  # Python
        ({"offset": "null", "sequencenumber": "49"}, (None, 49)),
        ({"offset": "undefined", "sequencenumber": "49"}, (None, 49)),  # JavaScript
        ({"offset": "NaN", "sequencenumber": "49"}, (None, 49)),
        ({"offset": "@latest", "sequencenumber": "49"}, (None, 49)),
        ({"offset": "-1", "sequencenumber": "49"}, (None, 49)),
        ({"offset": SMALLEST, "sequencenumber": "49"}, (None, 49)),
        ({"sequencenumber": "49"}, (None, 49)),  # Go, Rust
        ({"offset": "4611"}, ("4611", None)),
        ({"offset": "4611", "sequencenumber": "-1"}, ("4611", None)),
        ({"offset": "4611", "sequencenumber": SMALLEST}, ("4611", None)),
        ({"offset": "4611", "sequencenumber": "None"}, ("4611", None)),
        ({"offset": "12:34567:89", "sequencenumber": "49"}, ("12:34567:89", 49)),  # a geo-replicated namespace
        ({"offset": "0", "sequencenumber": "0"}, ("0", 0)),
        ({"offset": "-1", "sequencenumber": "-1"}, ("-1", -1)),  # before the first event
        ({"offset": "1' OR '1' = '1", "sequencenumber": "49"}, (None, 49)),
        ({"offset": "12\n34", "sequencenumber": "49"}, (None, 49)),
        ({"offset": "9" * 5_000, "sequencenumber": "49"}, (None, 49)),
        ({"offset": "4611", "sequencenumber": "9" * 5_000}, ("4611", None)),
        ({"offset": "4611", "sequencenumber": str(1 << 63)}, ("4611", None)),
        ({"offset": "4611", "sequencenumber": str((1 << 63) - 1)}, ("4611", (1 << 63) - 1)),
        ({"offset": "4611", "sequencenumber": "٤٩"}, ("4611", None)),
        ({"offset": "no offset", "sequencenumber": ""}, (None, None)),
        ({"offset": "@latest", "sequencenumber": "-1"}, (None, None)),
        ({}, (None, None)),
        (None, (None, None)),
    ],
)
def test_positions_of_all_languages(metadata: dict[str, str] | None, expected: tuple[str | None, int | None]) -> None:
    assert position_of(metadata) == expected


@given(st.dictionaries(st.sampled_from(["offset", "sequencenumber", "Offset", "more"]), st.text(max_size=40)))
def test_whatever_is_written_there_is_a_position_that_can_be_asked_for(metadata: dict[str, str]) -> None:
    offset, number = position_of(metadata)
    assert number is None or -1 <= number < 1 << 63
    assert offset is None or (offset.isprintable() and "'" not in offset and offset.strip() == offset != "")
