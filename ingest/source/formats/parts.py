"""The common parts of formats: a value as JSON, and the type of a body. Pure."""

from typing import Any

import orjson

from ingest.errors import Undeliverable
from ingest.source.events.event import BODY_KINDS, DATA, HUB_TIME, MALFORMED, Labels
from ingest.source.events.values import json_of

NUMBERS = frozenset((HUB_TIME, "absolute-expiry-time", "creation-time", "group-sequence"))
"""System properties that are whole numbers; no header names their type."""


dumps = orjson.dumps


def kept(text: bytes) -> bytes:
    """Returns a copy. The bytes that orjson returns occupy at least 4 KiB as long as they live (orjson 3.13)."""
    return b"%b" % text


def as_json(value: Any) -> bytes:
    """As `values.json_of`. Raises Undeliverable for what is no value of JSON."""
    if value is None:  # as most content encodings
        return b"null"
    try:
        return json_of(value)
    except orjson.JSONEncodeError as error:
        raise Undeliverable("not_json", f"a property value cannot be written as JSON ({error})") from None


def body_type(labels: Labels) -> str | None:
    """Returns what a record says about the body; None if the body is the content."""
    kind = labels.body_kind
    if kind in BODY_KINDS:
        return None if kind == DATA else kind
    if kind == MALFORMED:
        raise Undeliverable("malformed", "behind its annotations the message is not AMQP 1.0")
    raise Undeliverable("body_type", f"the body is an AMQP {kind}, which no record format carries")
