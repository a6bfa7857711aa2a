import pytest

from ingest.errors import Undeliverable
from ingest.sink.commands.expiry import parse_expiry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T24:00:00Z", 1_893_542_400_000),
        ("2030-01-01T23:59:60Z", 1_893_542_399_000),
        (" 2030-01-01T00:00:00.9999Z\n", 1_893_456_000_999),
        ("+10000-01-01T00:00:00Z", 253_402_300_800_000),
        ("-0001-01-01T00:00:00Z", -62_198_755_200_000),
        ("0000-02-29T00:00:00Z", -62_162_121_600_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
        ("2030-W01-2T00:00:00Z", 1_893_456_000_000),
    ],
)
def test_times_of_iso_8601_that_python_does_not_read(text: str, expected: int) -> None:
    assert parse_expiry(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01T24:00:01Z",
        "2030-01-01T25:00:00Z",
        "2030-01-01T12:59:60Z",
        "2030-02-29T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+999999999-01-01T00:00:00Z",
        "2030-01-01T00:00:00+24:00",
        "2030-01-01T00:00:00Z and more",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Undeliverable, match="is no time"):
        parse_expiry(text)
