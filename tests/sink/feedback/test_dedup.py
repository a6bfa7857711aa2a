import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.feedback.dedup import PLACES, REPEAT_SECONDS, FeedbackDedup
from ingest.sink.feedback.message import Feedback

START = 1_700_000_000_000


def ended(message_id: str = "m", status: str = "Success", seconds: float = 0, device_id: str = "d") -> Feedback:
    return Feedback(message_id, device_id, status, status, None, START + int(seconds * 1000))


def test_the_same_record_again_is_known() -> None:
    seen = FeedbackDedup()
    assert [seen.admit(ended()), seen.admit(ended())] == [True, False]


def test_the_second_copy_of_a_command_is_known() -> None:
    seen = FeedbackDedup()
    assert seen.admit(ended())
    assert not seen.admit(ended(seconds=20))
    assert not seen.admit(ended(seconds=-20))
    assert not seen.admit(ended(status="Expired", seconds=REPEAT_SECONDS))


def test_a_message_id_that_is_used_again_later_is_another_command() -> None:
    seen = FeedbackDedup()
    assert seen.admit(ended())
    assert seen.admit(ended(seconds=REPEAT_SECONDS + 1))


def test_other_devices_and_messages_are_told() -> None:
    seen = FeedbackDedup()
    assert all([seen.admit(ended()), seen.admit(ended(device_id="e")), seen.admit(ended("n"))])


def test_a_success_is_told_after_a_failure_and_not_the_other_way_round() -> None:
    seen = FeedbackDedup()
    assert seen.admit(ended(status="DeliveryCountExceeded"))
    assert not seen.admit(ended(status="Expired", seconds=1))
    assert seen.admit(ended(seconds=2))
    assert not seen.admit(ended(status="Rejected", seconds=3))


def test_what_an_earlier_life_told_is_known() -> None:
    seen = FeedbackDedup()
    seen.add("d", "m", "Success", START)
    assert not seen.admit(ended())


def test_a_row_that_is_full_forgets_its_oldest_end() -> None:
    seen = FeedbackDedup(rows=1)
    for number in range(100):
        assert seen.admit(ended(str(number), seconds=number))
        known = range(max(0, number - PLACES + 1), number + 1)
        assert not any(seen.admit(ended(str(last), seconds=last)) for last in known)
    assert seen.admit(ended("80", seconds=80))


def test_tens_of_thousands_are_known_in_memory_that_does_not_grow() -> None:
    tracemalloc.start()
    try:
        seen = FeedbackDedup()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(30_000):
            seen.add("d" * 500 + str(number), "m" * 500, "Success", START + number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert before < 5 << 20
    assert after - before < 10_000
    again = (Feedback("m" * 500, "d" * 500 + str(number), "Success", "", None, START) for number in range(30_000))
    assert not any(map(seen.admit, again))


@given(st.integers(-(1 << 70), 1 << 70))
def test_any_time_is_taken(enqueued_ms: int) -> None:
    assert FeedbackDedup(rows=1).admit(Feedback("m", "d", "Success", "", None, enqueued_ms))


NAMES = st.text("a1 ", max_size=3)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_names_are_taken_for_one_by_where_they_are_joined(a: str, b: str, c: str, d: str) -> None:
    seen = FeedbackDedup()
    seen.add(a, b, "Success", START)
    assert seen.admit(Feedback(d, c, "Success", None, None, START)) == ((a, b) != (c, d))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["Success", "Expired"]), st.integers(0, 60))))
def test_each_command_has_one_final_record_and_it_is_a_success_if_any_copy_arrived(
    ends: list[tuple[str, str, int]],
) -> None:
    seen = FeedbackDedup()
    told: dict[str, list[str]] = {}
    for message_id, status, seconds in ends:
        if seen.admit(ended(message_id, status, seconds)):
            told.setdefault(message_id, []).append(status)
    for message_id, statuses in told.items():
        arrived = any(end[:2] == (message_id, "Success") for end in ends)
        assert statuses in (["Success"], ["Expired"], ["Expired", "Success"])
        assert (statuses[-1] == "Success") == arrived
    assert set(told) == {message_id for message_id, _, _ in ends}
