import pytest

from ingest.config.values import BadValue
from ingest.migrate.java_values import boolean, items, split_as_java, whole


@pytest.mark.parametrize(
    ("text", "number"), [("+4", 4), ("-0", 0), (" 04\x00", 4), ("٤", 4), ("1๔", 14), ("-2147483648", -2147483648)]
)
def test_whole_numbers_as_java_reads_them(text: str, number: int) -> None:
    assert whole(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "4.0",
        "4_0",
        "\u00a04",
        "\N{MATHEMATICAL DOUBLE-STRUCK DIGIT FOUR}",
        "²",
        "2147483648",
        "+-4",
        "0x4",
        "4L",
    ],
)
def test_what_is_no_whole_number_there(text: str) -> None:
    with pytest.raises(BadValue, match="whole number"):
        whole(text)


def test_lists_and_booleans() -> None:
    assert items(" a ,b\t,\n, c ") == ["a", "b", "", "c"]
    assert items("  ") == []
    assert (boolean(" TRUE "), boolean("false")) == (True, False)
    with pytest.raises(BadValue):
        boolean("yes")


@pytest.mark.parametrize(
    ("text", "parts"), [("", [""]), (",", []), ("a,,", ["a"]), (",a", ["", "a"]), ("a,,b,", ["a", "", "b"])]
)
def test_parts_between_commas_as_java_splits_them(text: str, parts: list[str]) -> None:
    assert split_as_java(text) == parts
