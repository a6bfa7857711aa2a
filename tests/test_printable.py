import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.printable import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;a title\x07", "\\x1b]0;a title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\tb\x00\x7f", "a\\tb\\x00\\x7f"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("x\u2028y", "x\\u2028y"),
        ("half \ud800", "half \\ud800"),
        ("Zürich 東京 👍 \\n", "Zürich 東京 👍 \\n"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped_and_the_rest_stays(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_the_result_can_be_written_anywhere_as_one_line(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert len(shown.splitlines()) <= 1


def test_lines_of_a_traceback_stay_lines_and_none_looks_like_an_entry() -> None:
    assert printable_lines("one\ntwo\x1b[2J\n\tthree") == "one\n  two\\x1b[2J\n      three"
