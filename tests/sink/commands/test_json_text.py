"""Members with their text, checked against the standard library's parser on documents with every kind of white space."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.sink.commands.json_text import MAX_DEPTH, Member, NotJson, Number, members

white = st.text(st.sampled_from(" \t\n\r"), max_size=2)
strings = st.builds(
    json.dumps, st.text(st.characters(codec="utf-8") | st.sampled_from('"\\{}[],:')), ensure_ascii=st.booleans()
)
numbers = st.sampled_from(
    ("0", "-0", "10.00", "1e400", "-1E-2", "123456789012345678901234567890", "0.1e+1")
) | st.builds(str, st.integers())
scalars = strings | numbers | st.sampled_from(("true", "false", "null", '"\\ud800"', '"\\u0000"'))


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(inner, max_size=3))
    gap = draw(white)
    return f"[{gap}{f'{gap},{gap}'.join(items)}{gap}]"


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    pairs = draw(st.lists(st.tuples(strings, inner), max_size=3))
    gap = draw(white)
    return "{" + gap + f"{gap},{gap}".join(f"{name}{gap}:{gap}{value}" for name, value in pairs) + gap + "}"


values = st.recursive(scalars, lambda inner: arrays(inner) | objects(inner), max_leaves=8)
sources = st.lists(st.tuples(strings, values), max_size=4)


@given(sources, white)
def test_each_value_is_the_slice_that_was_written(source: list[tuple[str, str]], gap: str) -> None:
    text = gap + "{" + ",".join(f"{gap}{name}{gap}:{gap}{value}{gap}" for name, value in source) + "}" + gap
    found = members(text)
    assert [(member.name, member.text) for member in found] == [(json.loads(name), value) for name, value in source]
    for member in found:
        value = json.loads(member.text, parse_int=str, parse_float=str)
        assert member.value == (Number(member.text) if member.text[0] in "-0123456789" else value)


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except ValueError:
        return False


def _refuse(name: str) -> None:
    raise ValueError(name)


@given(
    st.text(st.sampled_from('{}[]":,\\ \n019.eE-+aftn\0\x1f')) | objects(values).flatmap(st.permutations).map("".join)
)
@example('{"a":01}')
@example('{"a":1.}')
@example('{"a":NaN}')
@example('{"a":[-Infinity]}')
@example('{"a":1,}')
@example('{"a":1}{}')
@example('{"a" 1}')
@example('{"a":"\t"}')
@example('{"a":"\\x"}')
@example('{"a":\xa01}')
@example("{")
@example("")
def test_what_is_no_object_is_refused_like_the_standard_library_does(text: str) -> None:
    if is_object(text):
        assert members(text) is not None
    else:
        with pytest.raises(NotJson) as caught:
            members(text)
        assert len(str(caught.value)) < 120


def test_a_name_that_is_there_twice() -> None:
    assert members('{"a":1,"a":2.0}') == [Member("a", Number("1"), "1"), Member("a", Number("2.0"), "2.0")]


def test_numbers_have_no_limit() -> None:
    digits = "9" * 5000
    [member] = members(f'{{"a":{digits}}}')
    assert member.value == Number(digits)


def nested(depth: int) -> str:
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def test_depth_is_bounded() -> None:
    assert members(nested(MAX_DEPTH))
    for text in (nested(MAX_DEPTH + 1), nested(200_000), '{"a":' * 100_000, '{"a":' + "[{" * 50_000):
        with pytest.raises(NotJson, match="depth"):
            members(text)
    assert members(json.dumps({"flat": [[]] * 1000, "in strings": "[{" * 1000 + '"'}))


def test_more_than_one_text_is_told() -> None:
    with pytest.raises(NotJson, match="behind its object, at character 8: write one record for each command"):
        members('{"a":1}\n{"a":2}\n')
