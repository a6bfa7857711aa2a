"""Messages through both decoders: equal events and records, or equal refusals. By hand for a million of them:

    python -m tests.source.core.compare 1000000 --odd 0.1

prints how many were compiled all the way, and the memory before and after; a difference ends it with both outcomes. Every
tenth one also goes the way of `source.transport = "sdk"`, through azure-eventhub's own decoder.
"""

import argparse
import resource
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from azure.eventhub import EventData

from ingest.amqp.errors import AmqpError
from ingest.errors import Undeliverable
from ingest.kafka.records import Record
from ingest.source.core import json, lean, raw
from ingest.source.events.decoder import event_of
from ingest.source.events.event import Event
from ingest.source.events.received import Received
from ingest.source.formats import FORMATS
from ingest.source.hot_path import Encoder
from ingest.source.transport.sdk_message import decode_for_sdk, event_from_sdk
from tests.source.core.fleets import message

BEFORE, BEHIND = b"\xa1\x05", b"\x00\x53\x75\xa0\x01x"
"""Around a message in its buffer: bytes that would make sense if somebody read too far."""
ENCODERS = {"json": json.JsonEncoder, "raw": raw.RawEncoder}
CLIENT_EVERY = 10
_decoder = lean.LeanDecoder()
_pairs = {name: (make("0"), FORMATS[name]("0")) for name, make in ENCODERS.items()}


def check(payload: bytes) -> Received | None:
    """Raises AssertionError when the two ways differ. Returns the compiled way's event, if it is one."""
    wanted = _event(lambda: event_of(payload))
    buf, start = BEFORE + payload + BEHIND, len(BEFORE)
    found = _event(lambda: _decoder.decode(buf, start, start + len(payload)))
    if isinstance(wanted, str) or isinstance(found, str):
        assert found == wanted, payload
        return None
    assert _seen(found) == _seen(wanted), payload
    assert repr(found.whole()[:6]) == repr(wanted.whole()[:6]), payload
    for name, (encoder, reference) in _pairs.items():
        record = _record(reference.encode, wanted.whole())
        assert _record(encoder.encode, found) == record, (name, payload)
        assert _record(partial(_one_of_all, encoder), found) == record, (name, payload)
    return found


def check_client(payload: bytes) -> None:
    """Raises AssertionError when the way through azure-eventhub gives another record. For what `check` has taken."""
    wanted = event_from_sdk(EventData._from_message(decode_for_sdk(memoryview(payload))))
    found = decode(payload)
    for name, (encoder, reference) in _pairs.items():
        assert _record(encoder.encode, found) == _record(reference.encode, wanted), (name, payload)


def decode(payload: bytes) -> Received:
    """The compiled way's event."""
    return _decoder.decode(payload, 0, len(payload))


def _one_of_all(encoder: Encoder, event: Received) -> Record:
    (record,) = encoder.encode_all([event])
    return record


def _event(decode: Callable[[], Received]) -> Received | str:
    try:
        return decode()
    except AmqpError as error:
        return str(error)


def _seen(event: Received) -> object:
    return event.sequence_number, event.offset, event.enqueued_ms, event.size, event.position


def _record(encode: Callable[[Any], Record], event: Received) -> object:
    try:
        return tuple(encode(event))
    except Undeliverable as why:
        return why.reason, str(why)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--odd", type=float, default=0.1, help="share of odd parts, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random = Random(args.seed)
    lean_events = through_client = 0
    for number in range(args.count):
        payload = message(random, odd=args.odd)
        taken = check(payload)
        lean_events += not isinstance(taken, Event | None)
        if taken is not None and number % CLIENT_EVERY == 0:
            check_client(payload)
            through_client += 1
        if number in (args.count // 10, args.count - 1):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            told = f"{lean_events} lean, {through_client} also through the client"
            print(f"{number + 1} messages, {told}, 0 differences, {peak} KiB at most", flush=True)


if __name__ == "__main__":
    main()
