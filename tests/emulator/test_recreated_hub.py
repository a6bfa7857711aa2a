"""What becomes of a hub's log: it expires, or the hub is made again under its name."""

import pytest

from ingest.emulator import Emulator


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(partitions=2)


def send(emulator: Emulator, events: int) -> None:
    for _ in range(events):
        emulator.hub.append("0", b"\x00\x53\x77\x40")


def test_an_expired_log_goes_on_behind_its_last_event(emulator: Emulator) -> None:
    with emulator:
        send(emulator, 3)
        _, before = emulator.hub.bounds("0")
        emulator.faults.expire("0")
        assert emulator.hub.bounds("0") == (3, before)
        assert emulator.hub.read("0", 0, 10) == (3, [])
        emulator.faults.expire("0")
        send(emulator, 1)
        begin, after = emulator.hub.bounds("0")
        assert (begin, after.sequence_number) == (3, 3)
        assert after.offset > before.offset
        with pytest.raises(ValueError, match="There is no partition '7'"):
            emulator.faults.expire("7")


def test_a_hub_that_is_made_again_is_empty_and_numbers_from_the_beginning(emulator: Emulator) -> None:
    with emulator:
        send(emulator, 3)
        made = emulator.hub.created_ms
        emulator.faults.recreate()
        assert emulator.hub.created_ms > made
        begin, last = emulator.hub.bounds("0")
        assert (begin, last.sequence_number, last.offset) == (0, -1, -1)
        send(emulator, 1)
        assert emulator.hub.bounds("0")[1].sequence_number == 0
