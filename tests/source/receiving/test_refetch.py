"""Events read from an emulated hub once more, beside whoever owns the partition."""

from dataclasses import replace

import pytest

from ingest.amqp.message import Data, Message
from ingest.emulator import Emulator
from ingest.errors import Refused, Undeliverable
from ingest.source.receiving.refetch import fetch
from tests.source.readers import PARTITION, Reading, configured, fill

both = pytest.mark.parametrize("transport", ["fast", "sdk"])


@both
def test_any_event_that_the_hub_holds(emulator: Emulator, transport: str) -> None:
    fill(emulator, 20)
    config = configured(emulator, transport)
    for sequence in (0, 7, 19):
        event = fetch(config, PARTITION, sequence, None)
        assert event.body == b'{"n":%d}' % sequence
        assert fetch(config, PARTITION, sequence, event.enqueued_ms)[:4] == event[:4]


@both
def test_what_the_hub_does_not_hold_is_gone(emulator: Emulator, transport: str) -> None:
    fill(emulator, 5)
    config = configured(emulator, transport)
    for sequence, enqueued_ms in ((4, 1), (99, None)):
        with pytest.raises(Undeliverable, match="no longer holds the original") as refused:
            fetch(config, PARTITION, sequence, enqueued_ms)
        assert refused.value.reason == "gone"
    emulator.append(PARTITION, Message(body=Data((b"last",))))
    assert fetch(config, PARTITION, 5, None).body == b"last"


@both
def test_who_owns_the_partition_keeps_it(emulator: Emulator, reading: Reading, transport: str) -> None:
    fill(emulator, 5)
    config = configured(emulator, transport)
    reader = reading(config)
    reader.until_events(5)
    with pytest.raises(Refused, match="--consumer-group"):
        fetch(config, PARTITION, 3, None)
    other = replace(config, source=replace(config.source, consumer_group="other"))
    with pytest.raises(Refused, match="could not be found"):
        fetch(other, PARTITION, 3, None)
    fill(emulator, 5, first=5)
    reader.until_events(10)
    assert not reader.receiver.reconnects
