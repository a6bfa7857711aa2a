"""What is taken of a batch, and what still waits."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from tests.source.sample_events import make_event


def test_it_ends_at_its_last_event_and_all_of_it_waits() -> None:
    events = [make_event(number, body=b"x" * number) for number in range(5)]
    batch = Batch.of(events)
    assert (batch.last, batch.pending, batch.bytes, list(batch)) == (events[-1].position, 5, 10, events)


def test_a_large_event_weighs_as_much_as_several() -> None:
    assert Batch.of([make_event(number, body=b"x" * 100) for number in range(5)]).weight == 5
    assert Batch.of([make_event(number, body=b"x" * 4_096) for number in range(5)]).weight == 20


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.lists(st.integers(1, 12), min_size=1))
def test_what_is_taken_is_in_order_and_counted_no_longer(sizes: list[int], portions: list[int]) -> None:
    events = [make_event(number, body=b"x" * size) for number, size in enumerate(sizes)]
    batch = Batch.of(events)
    taken: list[Received] = []
    while batch.events:
        most = portions[len(taken) % len(portions)]
        part = batch.take(most)
        assert 0 < len(part) <= most
        taken += part
        assert batch.bytes == sum(event.size for event in batch)
        assert len(batch) == len(events) - len(taken)
    assert taken == events
    assert (batch.bytes, batch.pending) == (0, len(events)), "taken is not done"
