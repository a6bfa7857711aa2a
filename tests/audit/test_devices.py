"""The highest number of each device, beside a dictionary."""

from hypothesis import given
from hypothesis import strategies as some

from ingest.audit.devices import LastNumbers


@given(some.lists(some.tuples(some.integers(0, 5) | some.integers(0, (1 << 64) - 1), some.integers(0, 50))))
def test_each_device_has_its_own_highest_number(events: list[tuple[int, int]]) -> None:
    table, model = LastNumbers(), dict[int, int]()
    for device, number in events:
        known = model.get(device or 1, -1)
        assert table.is_later(device, number) == (number >= known)
        model[device or 1] = max(known, number)


def test_it_grows_and_then_judges_those_that_found_room() -> None:
    table = LastNumbers(most_slots=1 << 14)
    for device in range(1, 20_000):
        assert table.is_later(device * 0x9E3779B97F4A7C15 % (1 << 64), 10)
    assert table.is_full
    assert not table.is_later(0x9E3779B97F4A7C15, 9)
    assert table.is_later(19_999 * 0x9E3779B97F4A7C15 % (1 << 64), 9)
