from collections.abc import Mapping

import pytest

from ingest.emulator.control.arguments import BadArguments, bind, explain


def order(
    name: str, seconds: float = 0.5, *, count: int | None = None, sure: bool = False, extra: Mapping[str, object] = {}
) -> None: ...


@pytest.mark.parametrize(
    "given",
    [
        {"name": "x"},
        {"name": "x", "seconds": 1, "count": 2, "sure": True, "extra": {"a": [1]}},
        {"name": "x", "seconds": 1.5, "count": None},
    ],
)
def test_what_fits_is_passed_on(given: dict[str, object]) -> None:
    assert bind(order, given) == given


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "'name' is missing; give it as text."),
        ({"name": None}, "'name' is None; give it as text."),
        ({"name": 0}, "'name' is 0; give it as text."),
        ({"name": "x", "seconds": "1"}, "'seconds' is '1'; give it as number."),
        ({"name": "x", "seconds": True}, "'seconds' is True; give it as number."),
        ({"name": "x", "count": 1.5}, "'count' is 1.5; give it as whole number."),
        ({"name": "x", "count": True}, "'count' is True; give it as whole number."),
        ({"name": "x", "sure": 1}, "'sure' is 1; give it as true or false."),
        ({"name": "x", "extra": []}, "'extra' is []; give it as object."),
        ({"nane": "x"}, "'nane' is not known here; there is name, seconds, count, sure, extra."),
        ([], 'Send a JSON object, such as {} or {"count": 1}.'),
        (None, 'Send a JSON object, such as {} or {"count": 1}.'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(given: object, sentence: str) -> None:
    with pytest.raises(BadArguments) as caught:
        bind(order, given)
    assert str(caught.value) == sentence


def test_a_signature_in_words() -> None:
    assert explain(order) == {
        "name": "text",
        "seconds": "number, 0.5 if left out",
        "count": "whole number, optional",
        "sure": "true or false, False if left out",
        "extra": "object, {} if left out",
    }
