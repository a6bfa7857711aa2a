"""A stretch of an emulated hub's log, read beside whoever owns the partition."""

from dataclasses import replace

import pytest

from ingest.config import Config
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.hub import event_hubs
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.events.received import Received
from ingest.source.receiving.beside import first_since, read_beside, since
from tests.source.readers import PARTITION, Reading, configured, fill

T0 = 1_700_000_000_000
both = pytest.mark.parametrize("transport", ["fast", "sdk"])


def fill_seconds(emulator: Emulator, count: int) -> None:
    """One event a second."""
    for number in range(count):
        emulator.hub.publish("dev-1", b"%d" % number, enqueued_at_ms=T0 + 1000 * number)


def numbers(config: Config, start: StartAt, until_ms: int | None = None) -> list[int]:
    standing = event_hubs.standing(config, PARTITION)
    reading = read_beside(config, PARTITION, start, standing, until_ms=until_ms)
    return [event.sequence_number for events in reading for event in events]


@both
def test_it_reads_from_a_time_to_the_first_event_behind_another(emulator: Emulator, transport: str) -> None:
    fill_seconds(emulator, 40)
    config = configured(emulator, transport, prefetch=1)
    read = numbers(config, since(T0 + 10_000), T0 + 20_000)
    assert read[:11] == list(range(10, 21))
    assert numbers(config, StartAt(36)) == [37, 38, 39]


def test_the_first_event_of_a_time(emulator: Emulator) -> None:
    config = configured(emulator, "fast")
    assert first_since(config, PARTITION, T0, event_hubs.standing(config, PARTITION)) is None
    fill_seconds(emulator, 5)
    standing = event_hubs.standing(config, PARTITION)

    def first(milliseconds: int) -> Received | None:
        return first_since(config, PARTITION, T0 + milliseconds, standing)

    found = [first(each) for each in (-5, 0, 1, 4_000, 4_001)]
    assert [None if each is None else each.sequence_number for each in found] == [0, 0, 1, 4, None]


def test_a_link_that_ends_is_opened_again_behind_the_last_event(emulator: Emulator) -> None:
    fill(emulator, 3_000)
    config = configured(emulator, "fast", prefetch=100)
    standing = event_hubs.standing(config, PARTITION)
    waits: list[float] = []
    read: list[int] = []
    emulator.faults.cut(1_000, partition=PARTITION)
    for events in read_beside(config, PARTITION, StartAt(EARLIEST), standing, wait=waits.append):
        read += [event.sequence_number for event in events]
    assert read == list(range(3_000))
    assert waits


def test_the_owner_keeps_the_partition_and_the_fix_is_named(emulator: Emulator, reading: Reading) -> None:
    fill(emulator, 5)
    config = configured(emulator, "fast")
    owner = reading(config)
    owner.until_events(5)
    with pytest.raises(
        Refused, match=r"partition 0 cannot be read from the hub, since a running ingest owns .*--consumer-group"
    ):
        numbers(config, StartAt(EARLIEST))
    unknown = replace(config, source=replace(config.source, consumer_group="nobody"))
    with pytest.raises(Refused, match="could not be found"):
        numbers(unknown, StartAt(EARLIEST))
    assert not owner.receiver.reconnects
