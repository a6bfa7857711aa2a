import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Refused
from ingest.hub.link_errors import LinkEnded, Verdict
from ingest.hub.position import BEFORE_FIRST, EARLIEST, Position, StartAt
from ingest.source.events.event import Event
from ingest.source.receiving.receiver import ATTACH_SECONDS, Receiver
from ingest.timing import Backoff
from tests.source.sample_events import make_event

Step = Sequence[int | Event] | LinkEnded


def event(sequence: int, offset: int | None = None) -> Event:
    given = None if offset is None else str(offset)
    return make_event(sequence, offset=given, enqueued_ms=1_000 + sequence, body=b"body")


def ended(verdict: Verdict = "lost", reason: str = "detached") -> LinkEnded:
    return LinkEnded(verdict, reason, f"amqp:{reason}: words of the service")


class Script:
    """A transport that plays steps: sequence numbers to deliver, or the end of the link."""

    name = "script"
    gathers = False

    more = False

    def __init__(self, *steps: Step, attaches: bool = True) -> None:
        self.credit = 1
        self.tended = 0
        self.newest: int | None = None
        self.attached = False
        self.opened: list[StartAt] = []
        self.closed = 0
        self._attaches = attaches
        self._steps = list(steps)

    def open(self, start: StartAt) -> None:
        assert len(self.opened) == self.closed, "the link before must be closed first"
        self.opened.append(start)
        self.attached = self._attaches

    def poll(self, timeout: float) -> Sequence[Event]:
        if not self._steps:
            return ()
        step = self._steps.pop(0)
        if isinstance(step, LinkEnded):
            raise step
        return [each if isinstance(each, Event) else event(each) for each in step]

    def gather(self, seconds: float) -> None: ...

    def tend(self) -> None:
        self.tended += 1

    def close(self) -> None:
        self.closed += 1
        self.attached = False


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def receiver(
    script: Script,
    *,
    last: Position | None = None,
    start: StartAt | None = None,
    clock: Callable[[], float] | None = None,
    renumbered: Callable[[], None] = lambda: None,
) -> Receiver:
    made = Receiver(
        script,
        "0",
        start or StartAt(EARLIEST),
        last=last,
        clock=clock or Clock(),
        backoff=Backoff(0.0, 0.0, rng=random.Random(1)),
        renumbered=renumbered,
    )
    made.start()
    return made


def drain(under_test: Receiver, polls: int = 50) -> list[int]:
    return [event.sequence_number for _ in range(polls) for event in under_test.poll(0) or ()]


def test_a_link_that_ends_is_opened_again_after_the_last_event() -> None:
    script = Script([0, 1], ended(), [2, 3])
    under_test = receiver(script)
    assert drain(under_test) == [0, 1, 2, 3]
    assert [start.position for start in script.opened] == [EARLIEST, "10"]
    assert under_test.reconnects == {"detached": 1}
    assert (under_test.duplicates, under_test.gaps, under_test.events) == (0, 0, 4)
    assert under_test.bytes == 16


def test_repeats_are_dropped_and_counted() -> None:
    under_test = receiver(Script([0, 1, 2], [1, 2, 3], ended(), [3, 4], [4], [5]))
    assert drain(under_test) == [0, 1, 2, 3, 4, 5]
    assert under_test.duplicates == 4
    assert under_test.gaps == 0


def test_missing_sequence_numbers_are_counted_between_and_within_batches() -> None:
    under_test = receiver(Script([0, 1], [4, 5], [6, 9]))
    assert drain(under_test) == [0, 1, 4, 5, 6, 9]
    assert under_test.gaps == 4


def test_what_is_missing_after_the_checkpoint_is_counted() -> None:
    under_test = receiver(Script([8, 9]), last=Position("40", 4), start=StartAt("40"))
    assert drain(under_test) == [8, 9]
    assert under_test.gaps == 3


def test_without_a_checkpoint_the_first_event_is_no_gap() -> None:
    under_test = receiver(Script([1000]))
    drain(under_test)
    assert under_test.gaps == 0


@pytest.mark.parametrize("verdict", ["refused", "lost"])
def test_a_refusal_before_the_first_link_is_fatal_only_if_waiting_cannot_help(verdict: Verdict) -> None:
    under_test = receiver(Script(ended(verdict, "not_found"), attaches=False))
    if verdict == "refused":
        with pytest.raises(Refused, match="words of the service"):
            drain(under_test)
    else:
        assert drain(under_test) == []
        assert under_test.trouble is not None


def test_a_link_that_came_up_and_ended_between_two_looks_was_no_refusal() -> None:
    script = Script(ended("refused", "unauthorized"), [1])
    assert drain(receiver(script)) == [1]
    assert len(script.opened) == 2


def test_a_refusal_after_a_link_is_a_trouble_with_its_condition_and_tried_again() -> None:
    script = Script([0], ended("refused", "unauthorized"), ended("refused", "unauthorized"), [1])
    under_test = receiver(script)
    seen = []
    troubles = []
    for _ in range(10):
        seen += [event.sequence_number for event in under_test.poll(0) or ()]
        troubles.append(under_test.trouble)
    assert seen == [0, 1]
    assert "hub: amqp:unauthorized: words of the service" in troubles
    assert troubles[-1] is None


def test_a_link_that_never_attaches_is_given_up_with_a_reason() -> None:
    clock = Clock()
    script = Script(attaches=False)
    under_test = receiver(script, clock=clock)
    under_test.poll(0)
    clock.now = ATTACH_SECONDS + 1
    under_test.poll(0)
    assert under_test.reconnects == {"timeout": 1}
    assert under_test.trouble is not None
    assert under_test.trouble == "hub: no answer from the hub within 15 s"


def test_the_next_try_waits_for_the_back_off() -> None:
    clock = Clock()
    script = Script(ended(), ended(), [0])
    under_test = Receiver(
        script, "0", StartAt(EARLIEST), last=None, clock=clock, backoff=Backoff(10.0, 10.0, rng=random.Random(1))
    )
    under_test.start()
    under_test.poll(0)
    for _ in range(20):
        under_test.poll(0)
    assert len(script.opened) == 1
    clock.now = 10.0
    under_test.poll(0)
    assert len(script.opened) == 2


REFUSED = ended("bad_position", "bad_position")


def test_a_refused_offset_falls_back_to_the_sequence_number_and_nothing_is_lost() -> None:
    script = Script(REFUSED, [100, 101])
    under_test = receiver(script, last=Position("12:3:4", 99), start=StartAt("12:3:4"))
    assert drain(under_test) == [100, 101]
    assert [start.position for start in script.opened] == ["12:3:4", 99]
    assert (under_test.gaps, under_test.numbering) == (0, 0)


def test_any_argument_error_about_a_position_is_taken_for_a_refused_position() -> None:
    nonsense = LinkEnded("refused", "argument_error", "com.microsoft:argument-error: what is that?")
    script = Script(nonsense, nonsense, [7])
    assert drain(receiver(script, last=Position("?", 99), start=StartAt("?"))) == [7]
    assert [start.position for start in script.opened] == ["?", 99, EARLIEST]
    with pytest.raises(Refused, match="what is that"):
        drain(receiver(Script(nonsense, attaches=False)))


def test_a_refused_sequence_number_falls_back_to_the_oldest_event() -> None:
    renumbered: list[int] = []
    script = Script(REFUSED, REFUSED, [0, 1, 2])
    under_test = receiver(
        script, last=Position("990", 99), start=StartAt("990"), renumbered=lambda: renumbered.append(1)
    )
    assert drain(under_test) == [0, 1, 2], "numbering began anew: these are no repeats"
    assert [start.position for start in script.opened] == ["990", 99, EARLIEST]
    assert (under_test.gaps, under_test.duplicates, renumbered) == (1, 0, [1])


def test_a_position_lost_to_retention_counts_what_is_gone() -> None:
    script = Script(REFUSED, REFUSED, [150])
    under_test = receiver(script, last=Position("990", 99), start=StartAt("990"))
    drain(under_test)
    assert (under_test.gaps, under_test.numbering) == (50, 0)


def test_an_offset_alone_that_is_refused_starts_at_the_oldest_event_and_calls_nothing_lost() -> None:
    script = Script(REFUSED, [150, 151])
    under_test = receiver(script, start=StartAt("990"))
    assert drain(under_test) == [150, 151]
    assert [start.position for start in script.opened] == ["990", EARLIEST]
    assert under_test.gaps == 0


def test_a_log_that_ends_before_what_was_received_is_another_one() -> None:
    """Whether the sequence number is known there, too, says nothing."""
    beyond = LinkEnded(
        "bad_position", "bad_position", "The supplied offset '20' is invalid. The last offset in the system is '15'"
    )
    script = Script([0, 1, 2], ended(), beyond, [event(n, n * 2) for n in range(5)])
    under_test = receiver(script)
    assert drain(under_test) == [0, 1, 2, 0, 1, 2, 3, 4]
    assert [start.position for start in script.opened] == [EARLIEST, "20", EARLIEST]
    assert (under_test.gaps, under_test.numbering, under_test.duplicates) == (1, 1, 0)


@pytest.mark.parametrize("last", [Position("40", 42), Position(None, 42)], ids=["by offset", "by number"])
@pytest.mark.parametrize("received_before", [False, True])
def test_the_first_event_after_an_attach_that_is_not_newer_proves_another_numbering(
    last: Position, received_before: bool, caplog: pytest.LogCaptureFixture
) -> None:
    anew = [event(n, n * 9) for n in range(50)]
    start = StartAt(last.offset if last.offset is not None else last.sequence_number)
    first: list[Step] = [[event(43, 430)], ended()] if received_before else []
    renumbered: list[int] = []
    script = Script(*first, anew[5:], anew[:20], anew[20:])
    under_test = receiver(script, last=last, start=start, renumbered=lambda: renumbered.append(under_test.events))
    numbers = drain(under_test)
    assert numbers == [43] * received_before + list(range(50)), "none is dropped"
    assert script.opened[-1].position == EARLIEST
    assert (under_test.gaps, under_test.duplicates, under_test.numbering) == (1, 0, 1)
    assert renumbered == [int(received_before)], "told before the first event of the new numbering"
    assert "numbers its events anew" in caplog.text


@pytest.mark.parametrize("last", [Position("420", 42), Position(None, 42)], ids=["by offset", "by number"])
def test_a_hub_that_sends_the_last_event_once_more_has_repeated_itself(last: Position) -> None:
    under_test = receiver(Script([42, 43]), last=last, start=StartAt(last.offset or last.sequence_number))
    assert drain(under_test) == [43]
    assert (under_test.duplicates, under_test.numbering) == (1, 0)


def test_the_same_number_at_another_offset_is_another_event() -> None:
    under_test = receiver(Script([event(42, 999)], [42, 43]), last=Position("420", 42), start=StartAt("420"))
    assert drain(under_test) == [42, 43]
    assert (under_test.duplicates, under_test.numbering) == (0, 1)


def test_a_lower_number_at_a_higher_offset_is_no_repeat_in_mid_stream_either() -> None:
    under_test = receiver(Script([5, 6], [event(0, 70), event(1, 80)], [event(n, 60 + n * 10) for n in range(4)]))
    assert drain(under_test) == [5, 6, 0, 1, 2, 3]
    assert (under_test.duplicates, under_test.numbering, under_test.gaps) == (0, 1, 1)


def test_a_jump_after_an_attach_is_to_be_asked_about_and_one_in_mid_stream_is_not() -> None:
    under_test = receiver(Script([8], [11]), last=Position("40", 4), start=StartAt("40"))
    under_test.poll(0)
    assert under_test.jump == (4, 8)
    under_test.jump = None
    under_test.poll(0)
    assert under_test.jump is None
    assert under_test.gaps == 5


def test_renumbering_told_by_somebody_else_reopens_the_link_at_the_oldest_event() -> None:
    script = Script([7], [0, 1])
    under_test = receiver(script, last=Position("60", 6), start=StartAt("60"))
    under_test.poll(0)
    under_test.renumber("somebody knows")
    assert drain(under_test) == [0, 1]
    assert [start.position for start in script.opened] == ["60", EARLIEST]
    assert (under_test.gaps, under_test.last) == (1, Position("10", 1))


def test_a_place_where_nothing_is_owed_is_the_base_of_gaps_unless_a_time_was_asked_for() -> None:
    at_time = receiver(Script([9]), start=StartAt(datetime(2024, 5, 1, tzinfo=UTC)))
    at_oldest = receiver(Script([9]))
    for under_test in (at_time, at_oldest):
        under_test.stand_at(Position("50", 5))
        assert drain(under_test) == [9]
    assert (at_time.gaps, at_oldest.gaps) == (0, 3)


def test_before_the_first_event_what_expired_since_is_missing() -> None:
    under_test = receiver(Script([3]), last=BEFORE_FIRST)
    assert drain(under_test) == [3]
    assert under_test.gaps == 3


def test_a_reconnect_on_request_and_the_end() -> None:
    script = Script([0])
    under_test = receiver(script)
    drain(under_test, 1)
    under_test.reconnect("silent", "no event")
    drain(under_test, 2)
    assert under_test.reconnects == {"silent": 1}
    assert [start.position for start in script.opened] == [EARLIEST, "0"]
    under_test.close()
    assert script.closed == 2
    assert not under_test.attached


def test_what_comes_again_is_no_repeat_and_comes_over_a_link_of_its_own() -> None:
    script = Script([0, 1, 2], [3], [1, 2, 3, 4])
    under_test = receiver(script)
    assert drain(under_test, 2) == [0, 1, 2, 3]
    under_test.rewind(StartAt("0"), Position("0", 0))
    assert drain(under_test, 1) == [1, 2, 3, 4]
    assert [start.position for start in script.opened] == [EARLIEST, "0"]
    assert (under_test.gaps, under_test.duplicates, under_test.reconnects) == (0, 0, {})


def test_a_link_that_is_down_is_opened_again_in_its_own_time_and_further_back() -> None:
    script = Script([0, 1, 2], ended(), [1, 2, 3])
    under_test = receiver(script)
    assert drain(under_test, 2) == [0, 1, 2]
    under_test.rewind(StartAt("0"), Position("0", 0))
    assert script.closed == 1
    assert drain(under_test, 2) == [1, 2, 3]
    assert [start.position for start in script.opened] == [EARLIEST, "0"]


@pytest.mark.parametrize(
    ("position", "words", "inclusive"),
    [
        ("-1", "oldest", False),
        ("@latest", "next new", False),
        ("4711", "offset 4711", False),
        (17, "sequence number 17", False),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01", True),
    ],
)
def test_a_start_says_what_it_means(position: str | int | datetime, words: str, inclusive: bool) -> None:
    assert words in str(StartAt(position))
    assert StartAt(position).inclusive == inclusive


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.booleans()), max_size=12))
def test_whatever_the_hub_repeats_every_event_is_handed_on_once_and_in_order(runs: list[tuple[int, int, bool]]) -> None:
    """A hub that, at each step, goes back some events, delivers some, and perhaps drops the link, after which it goes back
    by one at the most."""
    steps: list[Step] = []
    at, repeats, fresh_link = 0, 0, True
    for back, count, drop in runs:
        first = max(0, at - (min(back, 1) if fresh_link else back))
        steps.append(list(range(first, first + count)))
        repeats += min(at, first + count) - first
        at = max(at, first + count)
        fresh_link = drop
        if drop:
            steps.append(ended())
    under_test = receiver(Script(*steps))
    assert drain(under_test) == list(range(at))
    assert under_test.duplicates == repeats
    assert under_test.gaps == 0


class Hub(Script):
    """Serves a log from the position asked for, and refuses one behind its end, as the service does."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = []
        self.until = 0
        """So many events are there by now."""
        self._next = 0

    def open(self, start: StartAt) -> None:
        super().open(start)
        there = self.log[: self.until]
        asked, ends = start.position, int(there[-1].offset) if there else -1
        self._refusal: LinkEnded | None = None
        self._next = 0
        if isinstance(asked, int):
            self._next = asked + 1
            self._refusal = REFUSED if asked >= len(there) else None
        elif asked != EARLIEST:
            self._next = sum(int(each.offset) <= int(str(asked)) for each in there)
            words = f"The supplied offset '{asked}' is invalid. The last offset in the system is '{ends}'"
            self._refusal = LinkEnded("bad_position", "bad_position", words) if int(str(asked)) > ends else None

    def poll(self, timeout: float) -> Sequence[Event]:
        if self._refusal is not None:
            self.attached = False
            raise self._refusal
        events = self.log[self._next : self.until]
        self._next += len(events)
        return events


@given(
    hubs=st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(0, 12), max_size=4)), min_size=1, max_size=5),
    told_early=st.booleans(),
)
def test_every_event_of_every_numbering_is_handed_on(hubs: list[tuple[int, list[int]]], told_early: bool) -> None:
    """A hub that is made again and again, with events of another size each, and read between links that drop. When it was
    made, which it tells late, is the one proof where its new log has grown past the position."""
    hub = Hub()
    under_test = receiver(hub)
    for turn, (size, amounts) in enumerate(hubs):
        hub.log, hub.until = [event(n, n * size + size) for n in range(50)], 0
        under_test.reconnect("detached", "the hub is made anew")
        handed_on, numbering = [], under_test.numbering
        for place, amount in enumerate(amounts):
            hub.until += amount
            handed_on += drain(under_test, 5)
            told = turn > 0 and under_test.numbering == numbering and (told_early or place == len(amounts) - 1)
            if told and under_test.last is not None:
                under_test.renumber("it was made later")
            under_test.reconnect("detached", "a link that drops")
            handed_on += drain(under_test, 5)
        assert handed_on[len(handed_on) - hub.until :] == list(range(hub.until)), "none is dropped, the last in order"
    assert under_test.duplicates == 0
