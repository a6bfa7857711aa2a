from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.telemetry.log import PartitionLog


def payload(sequence: int, offset: int, time_ms: int) -> bytes:
    return b"%d %d %d" % (sequence, offset, time_ms)


def filled(times: list[int], retention: int | None = None) -> PartitionLog:
    log = PartitionLog(retention)
    for time_ms in times:
        log.append(time_ms, payload)
    log.trim()
    return log


def kept(log: PartitionLog) -> list[tuple[int, int, int]]:
    """Sequence number, offset and time of what is held."""
    found = [tuple(map(int, raw.split())) for raw in log.read(0, 1 << 30)[1]]
    return [(sequence, offset, time_ms) for sequence, offset, time_ms in found]


times = st.lists(st.integers(0, 20), max_size=40)


@given(times, st.one_of(st.none(), st.integers(1, 10)))
def test_numbers_have_no_holes_and_offsets_and_times_never_fall(stamps: list[int], retention: int | None) -> None:
    log = filled(stamps, retention)
    events = kept(log)
    assert len(events) == len(stamps) if retention is None else len(events) == min(len(stamps), retention)
    assert [sequence for sequence, _, _ in events] == list(range(log.begin, log.end))
    assert log.end == len(stamps)
    offsets = [offset for _, offset, _ in events]
    assert offsets == sorted(set(offsets))
    enqueued = [time_ms for _, _, time_ms in events]
    assert enqueued == sorted(enqueued)
    assert log.last == (events[-1] if events else (-1, -1, 0))


@given(times, st.one_of(st.none(), st.integers(1, 10)), st.integers(-5, 2000), st.booleans())
def test_positions_are_what_a_scan_finds(stamps: list[int], retention: int | None, value: int, inclusive: bool) -> None:
    log = filled(stamps, retention)

    def scan(index: int) -> int:
        for event in kept(log):
            if event[index] > value or (inclusive and event[index] == value):
                return event[0]
        return log.end

    assert log.after_offset(value, inclusive) == scan(1)
    assert log.after_time(value, inclusive) == scan(2)


@given(times, st.integers(0, 60), st.integers(1, 60))
def test_reading(stamps: list[int], start: int, most: int) -> None:
    log = filled(stamps, 10)
    first, payloads = log.read(start, most)
    assert first == max(start, log.begin)
    assert [int(raw.split()[0]) for raw in payloads] == list(range(first, min(first + most, log.end)))


def test_what_is_held_back_is_not_read() -> None:
    log = filled([1, 2])
    log.hold = log.visible_end
    log.append(3, payload)
    assert (log.visible_end, log.end, log.last.sequence_number) == (2, 3, 2)
    assert len(log.read(0, 10)[1]) == 2
    assert log.read(2, 10) == (2, [])
    log.hold = None
    assert len(log.read(0, 10)[1]) == 3


def test_retention_is_kept_without_being_asked() -> None:
    log = PartitionLog(10)
    for _ in range(10_000):
        log.append(0, payload)
        assert log.end - log.begin < 100
