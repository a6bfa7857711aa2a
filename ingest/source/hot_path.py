"""Selects the code of the hot path: the compiled core if it was built, else Python's, which is its reference.

`INGEST_DECODER=python` in the environment disables the core. Both make the same records, byte for byte.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from ingest.kafka.records import Records
from ingest.metrics.meter import Histogram
from ingest.source.events import template_decoder
from ingest.source.events.event import Event
from ingest.source.events.received import Received
from ingest.source.events.slices import PythonSlices, Slice, Slices
from ingest.source.formats import make
from ingest.source.formats.contract import Record, new_record

Name = Literal["compiled", "python"]

ENVIRONMENT = "INGEST_DECODER"
_ENQUEUED_MS = attrgetter("enqueued_ms")


class Decoder(Protocol):
    """Raw messages → events. One per partition process."""

    def decode(self, buf: bytes, start: int, end: int) -> Received:
        """Returns the event in `buf[start:end]`. Raises AmqpError if not even its position can be read."""
        ...

    def decode_all(self, slices: Iterable[Slice]) -> list[Received]:
        """Returns the events of all slices. Raises AmqpError if one is not an event."""
        ...

    def slices(self) -> Slices:
        """Returns an empty collection, of the kind that `decode_all` handles fastest."""
        ...


class Encoder(Protocol):
    """Events of any decoder → records of one format. One per partition process."""

    def encode(self, event: Received) -> Record:
        """Raises Undeliverable if the format cannot carry the event."""
        ...

    def encode_all(self, events: Sequence[Received]) -> Records:
        """Returns the records in order. Raises Undeliverable if the format cannot carry one of the events."""
        ...


class PythonDecoder(template_decoder.TemplateDecoder):
    def decode_all(self, slices: Iterable[Slice]) -> list[Received]:
        decode = self.decode
        return [decode(*slice_) for slice_ in slices]

    def slices(self) -> Slices:
        return PythonSlices()


class PythonEncoder:
    def __init__(self, encode: Callable[[Event], Record]) -> None:
        self._encode: Callable[[Any], Record] = encode

    def encode(self, event: Received) -> Record:
        return self._encode(event.whole())

    def encode_all(self, events: Sequence[Received]) -> Records:
        return Records.of(map(self._encode, events))  # whole events: no other decoder feeds this encoder


class KeylessEncoder:
    """The records of another encoder, without their keys."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def encode(self, event: Received) -> Record:
        _, value, headers, timestamp_ms = self._encoder.encode(event)
        return new_record(Record, (None, value, headers, timestamp_ms))

    def encode_all(self, events: Sequence[Received]) -> Records:
        records = self._encoder.encode_all(events)
        records.keys = [None] * len(records)
        return records


def _observe_since(events: Sequence[Received], histogram: Histogram, now_ms: float) -> None:
    histogram.observe_since(sorted(map(_ENQUEUED_MS, events)), now_ms)


class _Code(NamedTuple):
    decoder: Callable[[], Decoder] = PythonDecoder
    encoders: Mapping[str, Callable[[str], Encoder]] = MappingProxyType({})
    """Those of the core, by format."""
    observe_since: Callable[[Sequence[Received], Histogram, float], None] = _observe_since
    why_python: str = ""
    """Why the core is not used; empty if it is."""


def _chosen() -> _Code:
    if os.environ.get(ENVIRONMENT) == "python":
        return _Code(why_python=f"{ENVIRONMENT}=python")
    try:
        from ingest.source.core import json, lean, raw
    except ImportError as error:
        return _Code(why_python=f"the compiled core was not built ({error})")
    return _Code(lean.LeanDecoder, {"json": json.JsonEncoder, "raw": raw.RawEncoder}, lean.observe_since)


_DECODER, _ENCODERS, observe_since, WHY_PYTHON = _chosen()
"""`observe_since` counts in a histogram, in seconds, how long before `now_ms`, in Unix milliseconds, each event was enqueued."""


def decoder_in_use(record_format: str, transport: str) -> Name:
    """Returns which code makes the events. For a format that the core lacks, Python makes all; the client's own
    transport has its own decoder."""
    return "compiled" if record_format in _ENCODERS and transport == "fast" else "python"


def sentence(record_format: str = "") -> str:
    """What this installation uses, in words, for a format if one is given."""
    if _ENCODERS and record_format and record_format not in _ENCODERS:
        compiled = " and ".join(_ENCODERS)
        return f"Events are decoded in Python, as source.format is {record_format}; the compiled core has {compiled}."
    if _ENCODERS:
        return "Events are decoded by the compiled core."
    return f"Events are decoded in Python, for several times the CPU time: {WHY_PYTHON}."


def decoder_of(record_format: str) -> Decoder:
    return _DECODER() if record_format in _ENCODERS else PythonDecoder()


def encoder_of(record_format: str, partition: str, *, has_keys: bool = True, schema_id: int | None = None) -> Encoder:
    """`schema_id`: the schema registry's id, for a format that needs one."""
    if record_format in _ENCODERS:
        encoder = _ENCODERS[record_format](partition)
    else:
        encoder = PythonEncoder(make(record_format, partition, schema_id).encode)
    return encoder if has_keys else KeylessEncoder(encoder)
