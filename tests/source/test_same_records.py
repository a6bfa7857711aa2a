"""Whatever lies in the hub's log becomes the same record, byte for byte, over both transports."""

import pytest
from azure.eventhub import EventData
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator import Emulator
from ingest.errors import Undeliverable
from ingest.source.events.decoder import event_of
from ingest.source.events.event import Event
from ingest.source.events.received import Received
from ingest.source.events.template_decoder import TemplateDecoder
from ingest.source.formats import FORMATS
from ingest.source.formats.contract import Record
from ingest.source.hot_path import decoder_of, encoder_of
from ingest.source.transport.sdk_message import decode_for_sdk, event_from_sdk
from tests.source import messages
from tests.source.readers import PARTITION, Reading, configured, fill

Outcome = list[Record | str]


def records(event: Received) -> Outcome:
    """In every format; for an event that a format cannot carry the reason."""
    found: Outcome = []
    for name in FORMATS:
        try:
            found.append(encoder_of(name, "0").encode(event))
        except Undeliverable as why:
            found.append(str(why))
    return found


def over_the_client(payload: bytes) -> Event:
    return event_from_sdk(EventData._from_message(decode_for_sdk(memoryview(payload))))


def check_same(decoder: TemplateDecoder, payload: bytes) -> Outcome:
    wanted = over_the_client(payload)
    # The third time by its layout, the fifth with the same objects as the fourth.
    for event in (event_of(payload), *(decoder.decode(payload, 0, len(payload)) for _ in range(5))):
        assert (event[:6], event.body_kind) == (wanted[:6], wanted.body_kind)
        assert event.system_properties == wanted.system_properties
        assert records(event) == records(wanted)
    for name in FORMATS:
        assert records(decoder_of(name).decode(payload, 0, len(payload))) == records(wanted)
    return records(wanted)


@given(sent=st.lists(messages.any_message(), min_size=1, max_size=3))
def test_any_message(sent: list[messages.Sent]) -> None:
    decoder = TemplateDecoder()
    for each in sent:
        check_same(decoder, each.encoded)


@pytest.mark.parametrize("name", messages.ODD)
@pytest.mark.parametrize("newest", [None, 9], ids=["", "with runtime metrics"])
def test_odd_messages(name: str, newest: int | None) -> None:
    before = b"" if newest is None else messages.runtime_metrics(newest)
    check_same(TemplateDecoder(), before + messages.odd(name))


def test_the_usual_message() -> None:
    decoder = TemplateDecoder()
    for sequence in range(20):
        found = check_same(decoder, messages.usual(sequence, properties={"level": "high"}, body=b"%d" % sequence))
        assert all(isinstance(record, Record) and b"dev-1" in (record.key or b"") for record in found)


def test_the_same_log_over_both_real_transports(
    emulator: Emulator, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(emulator, 300)
    for name in messages.ODD:
        emulator.append(PARTITION, messages.ODD[name])
    fill(emulator, 300, properties={})
    made: dict[str, list[Outcome]] = {}
    for way in ("sdk", "fast", "fast in Python"):
        with monkeypatch.context() as patched:
            if way == "fast in Python":
                patched.setattr("ingest.source.hot_path._ENCODERS", {})
            reader = reading(configured(emulator, way.partition(" ")[0]))
        reader.until_events(600 + len(messages.ODD))
        made[way] = [records(event) for event in reader.events]
        assert reader.numbers == list(range(600 + len(messages.ODD)))
        reader.receiver.close()
    assert made["fast"] == made["fast in Python"] == made["sdk"]
