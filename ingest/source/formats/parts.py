"""What the formats say in the same way: a value as JSON, and what a body was. Pure."""

from typing import Any

import orjson

from ingest.errors import Undeliverable
from ingest.source.events.event import BODY_KINDS, DATA, HUB_TIME, MALFORMED, Labels
from ingest.source.events.values import json_of

NUMBERS = frozenset((HUB_TIME, "absolute-expiry-time", "creation-time", "group-sequence"))
"""System properties that are whole numbers, and so named nowhere."""


dumps = orjson.dumps


def kept(text: bytes) -> bytes:
    """A copy. What orjson returns holds 4 KiB for as long as it lives, however short it is (orjson 3.13)."""
    return b"%b" % text


def as_json(value: Any) -> bytes:
    try:
        return json_of(value)
    except orjson.JSONEncodeError as error:
        raise Undeliverable("not_json", f"a property value cannot be written as JSON ({error})") from None


def body_type(labels: Labels) -> str | None:
    """What a record says of the body; nothing when that is the content."""
    kind = labels.body_kind
    if kind in BODY_KINDS:
        return None if kind == DATA else kind
    if kind == MALFORMED:
        raise Undeliverable("malformed", "behind its annotations the message is not AMQP 1.0")
    raise Undeliverable("body_type", f"the body is an AMQP {kind}, which no record format carries")
