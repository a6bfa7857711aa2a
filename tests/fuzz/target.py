"""What a fuzzer gives its bytes to: the hot path from the socket to the record, both sides of a
connection, and what must hold for any bytes: the compiled core's events and records are those of Python.

The first byte chooses: even, the rest is one message; odd, it is a stream of frames, cut as the second byte says; 0xff, it
is what a hub says to our client and what a client says to the emulator, cut as well.
"""

import contextlib
from collections.abc import Callable

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Properties
from ingest.errors import Undeliverable
from ingest.source.core import slices
from ingest.source.events.decoder import ANNOTATIONS, event_of, newest_of
from ingest.source.events.event import Event
from ingest.source.events.slices import PythonSlices, Slices
from ingest.source.events.template_decoder import TemplateDecoder
from ingest.source.formats import FORMATS
from ingest.source.transport.frames import TransferSplitter
from tests.fuzz.peers import peers
from tests.source.core import compare
from tests.source.messages import usual

PEERS = b"\xff"
HANDLE = 0
FRAME_BYTES = 65_536
KNOWN = (
    usual(),
    usual(newest=None),
    usual(module="mod", properties={"level": "high"}),
    usual(system=Properties(message_id="m-1", content_type="application/json")),
)
"""Learned before, so that bytes like these meet what was remembered."""


def hot_path(data: bytes) -> None:
    """Returns, whatever the bytes are. Raises AssertionError, or what should not have been raised."""
    if data[:1] == PEERS:
        peers(data[1:])
    elif data[:1] and data[0] % 2:
        stream(data[2:], size=1 + data[1] if len(data) > 1 else 1)
    else:
        message(data[1:])


def message(payload: bytes) -> None:
    decoder = TemplateDecoder()
    for known in KNOWN:
        decoder.decode(known, 0, len(known))
    wanted = _event(payload)
    newest_of(payload)
    around = KNOWN[0] + payload + KNOWN[1]
    for _ in range(2):
        try:
            found: Event | None = decoder.decode(around, len(KNOWN[0]), len(KNOWN[0]) + len(payload))
        except AmqpError:
            found = None
        # Nobody reads what is in front of the annotations, so that it may be anything.
        skipped = wanted is None and payload[2:3] < bytes((ANNOTATIONS,))
        assert skipped or _content(found) == _content(wanted), payload
        if found is not None:
            _record(found)
    compare.check(payload)
    assert _content(decoder.decode(KNOWN[0], 0, len(KNOWN[0]))) == _content(event_of(KNOWN[0]))


def _event(payload: bytes) -> Event | None:
    try:
        return event_of(payload)
    except AmqpError:
        return None


def _content(event: Event | None) -> object:
    if event is None:
        return None
    origin, labels = event.origin, event.labels
    described = (labels.correlation_id, labels.content_type, labels.content_encoding)
    # As text, since not a number is not equal to itself.
    properties = repr((event.system_properties, labels.properties))
    return *event[:6], labels.body_kind, origin.device_id, origin.module_id, *described, properties


def _record(event: Event) -> None:
    for make in FORMATS.values():
        with contextlib.suppress(Undeliverable):
            make("0").encode(event)


def stream(data: bytes, *, size: int) -> None:
    """The same messages, other frames and end, cut into reads of `size` bytes and not cut at all."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    cut, whole = _read(pieces), _read([data])
    assert _read(pieces, slices.Slices) == cut, data
    assert _read([data], slices.Slices) == whole, data
    # An error costs the messages of its read alone: the link ends, and they come again.
    assert cut[0][: len(whole[0])] == whole[0] or whole[2], data
    assert whole[2] or cut == whole, data
    decoder = TemplateDecoder()
    for payload in cut[0]:
        try:
            decoder.decode(payload, 0, len(payload))
        except AmqpError:
            break


def _read(pieces: list[bytes], kind: Callable[[], Slices] = PythonSlices) -> tuple[list[bytes], list[bytes], str, int]:
    """Messages, other frames, the error that it ended in, and the frames that were counted."""
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    messages: list[bytes] = []
    for piece in pieces:
        try:
            messages += [buf[start:end] for buf, start, end in transfers.feed(piece)]
        except AmqpError as error:
            return messages, transfers.others, str(error), transfers.frames
    return messages, transfers.others, "", transfers.frames
