import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kafka.header_names import MARK, escape, unescape


@given(st.binary(max_size=40).filter(lambda name: not name.startswith(MARK.encode())))
def test_every_name_comes_back(name: bytes) -> None:
    text = escape(name)
    assert unescape(text) == name
    assert text.encode().decode() == text, "it can be written"


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"level", "level"), ("größe".encode(), "größe"), (b"", ""), (b"a b%", "a b%"), (b"\xff a", MARK + "%FF%20a")],
)
def test_only_what_is_not_utf8_is_marked(name: bytes, text: str) -> None:
    assert escape(name) == text


def test_a_name_that_was_marked_once_is_not_marked_again() -> None:
    text = escape(b"\xff")
    assert escape(text.encode()) == text
