import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.backoff import Backoff
from ingest.errors import Recycle, Refused
from ingest.source.conditions import LinkEnded, Verdict
from ingest.source.event import Event
from ingest.source.progress import Position
from ingest.source.receive import ATTACH_SECONDS, EARLIEST, Receiver, StartAt
from tests.source.events import make_event

Step = Sequence[int] | LinkEnded


def event(sequence: int) -> Event:
    return make_event(sequence, enqueued_ms=1_000 + sequence, body=b"body")


def ended(verdict: Verdict = "lost", reason: str = "detached") -> LinkEnded:
    return LinkEnded(verdict, reason, f"amqp:{reason}: words of the service")


class Script:
    """A transport that plays steps: sequence numbers to deliver, or the end of the link."""

    name = "script"

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
            self.attached = False
            raise step
        return [event(sequence) for sequence in step]

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
) -> Receiver:
    made = Receiver(
        script,
        "0",
        start or StartAt(EARLIEST),
        last=last,
        clock=clock or Clock(),
        backoff=Backoff(0.0, 0.0, rng=random.Random(1)),
    )
    made.start()
    return made


def drain(under_test: Receiver, polls: int = 50) -> list[int]:
    return [event.sequence_number for _ in range(polls) for event in under_test.poll(0)]


def test_a_link_that_ends_is_opened_again_after_the_last_event() -> None:
    script = Script([0, 1], ended(), [2, 3])
    under_test = receiver(script)
    assert drain(under_test) == [0, 1, 2, 3]
    assert [start.position for start in script.opened] == [EARLIEST, "10"]
    assert under_test.reconnects == {"detached": 1}
    assert (under_test.duplicates, under_test.gaps, under_test.events) == (0, 0, 4)
    assert under_test.bytes == 16


def test_repeats_are_dropped_and_counted() -> None:
    under_test = receiver(Script([0, 1, 2], ended(), [1, 2, 3], [3], [4]))
    assert drain(under_test) == [0, 1, 2, 3, 4]
    assert under_test.duplicates == 3


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


def test_a_refusal_after_a_link_is_a_trouble_with_its_condition_and_tried_again() -> None:
    script = Script([0], ended("refused", "unauthorized"), ended("refused", "unauthorized"), [1])
    under_test = receiver(script)
    seen = []
    troubles = []
    for _ in range(10):
        seen += [event.sequence_number for event in under_test.poll(0)]
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
    assert "no link after 15 s" in under_test.trouble


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


def test_a_position_that_the_hub_does_not_know_starts_over_at_the_oldest_event() -> None:
    script = Script(ended("bad_position", "bad_position"), [0, 1, 2])
    under_test = receiver(script, last=Position("990", 99), start=StartAt("990"))
    assert drain(under_test) == [0, 1, 2], "numbering began anew: these are no repeats"
    assert [start.position for start in script.opened] == ["990", EARLIEST]
    assert under_test.gaps >= 1


def test_a_position_lost_to_retention_counts_what_is_gone() -> None:
    script = Script(ended("bad_position", "bad_position"), [150])
    under_test = receiver(script, last=Position("990", 99), start=StartAt("990"))
    drain(under_test)
    assert under_test.gaps == 50


def test_a_position_lost_in_mid_stream_is_left_to_a_fresh_process() -> None:
    under_test = receiver(Script([0], ended("bad_position", "bad_position")))
    with pytest.raises(Recycle, match="lost its position"):
        drain(under_test)


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
    """A hub that, at each step, goes back some events, delivers some, and perhaps drops the link."""
    steps: list[Step] = []
    at, repeats = 0, 0
    for back, count, drop in runs:
        first = max(0, at - back)
        steps.append(list(range(first, first + count)))
        repeats += min(at, first + count) - first
        at = max(at, first + count)
        if drop:
            steps.append(ended())
    under_test = receiver(Script(*steps))
    assert drain(under_test) == list(range(at))
    assert under_test.duplicates == repeats
    assert under_test.gaps == 0
