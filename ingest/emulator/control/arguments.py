"""A JSON object as the arguments of a Python function: checked against, and explained from, its signature."""

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin

from ingest.emulator.errors import Rejected

_NAMES: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Mapping: "object",
    list: "list",
}


class BadArguments(Rejected):
    """The arguments do not fit. `str()` is one sentence with the argument, the value and the fix."""


def bind(function: Callable[..., object], given: object) -> dict[str, Any]:
    """Returns keyword arguments for `function` from a decoded JSON value, an object. Raises BadArguments."""
    if not isinstance(given, dict):
        raise BadArguments('Send a JSON object, such as {} or {"count": 1}.')
    parameters = inspect.signature(function, eval_str=True).parameters
    for name in given:
        if name not in parameters:
            known = ", ".join(parameters) or "no argument at all"
            raise BadArguments(f"{name!r} is not known here; there is {known}.")
    for name, parameter in parameters.items():
        if name in given:
            _check(name, given[name], parameter.annotation)
        elif parameter.default is parameter.empty:
            raise BadArguments(f"{name!r} is missing; give it as {_kinds_in_words(parameter.annotation)}.")
    return given


def explain(function: Callable[..., object]) -> dict[str, str]:
    """Returns argument → its possible values, in words."""
    words = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        kinds = _kinds_in_words(parameter.annotation)
        if parameter.default is parameter.empty:
            words[name] = kinds
        elif parameter.default is None:
            words[name] = f"{kinds}, optional"
        else:
            words[name] = f"{kinds}, {parameter.default!r} if left out"
    return words


def _check(name: str, value: object, annotation: object) -> None:
    for kind in _kinds(annotation):
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return
    raise BadArguments(f"{name!r} is {value!r}; give it as {_kinds_in_words(annotation)}.")


def _kinds(annotation: object) -> list[type]:
    """Returns the classes that a value can have."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _kinds(part)]
    kind = get_origin(annotation) or annotation
    assert isinstance(kind, type), f"an annotation that JSON cannot fill: {annotation}"
    return [kind]


def _kinds_in_words(annotation: object) -> str:
    return " or ".join(_NAMES[kind] for kind in _kinds(annotation) if kind is not types.NoneType)
