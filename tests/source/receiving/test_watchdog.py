import errno
import threading

import pytest

from ingest.errors import Unreachable
from ingest.hub.position import Position
from ingest.hub.standing import Standing
from ingest.source.receiving.watchdog import Asked, HubQuestion, StallWatch
from tests.process.scarce import no_more_threads


def look_until(watch: StallWatch, now: float, end: float) -> str:
    """The last verdict of a watch that looks every second."""
    while now < end - 1:
        now += 1
        watch.look(now)
    return watch.look(end)


def test_a_silent_partition_is_asked_about_and_found_stalled_in_time() -> None:
    watch = StallWatch(20.0, now=0.0)
    assert look_until(watch, 0.0, 9.9) == "fine"
    assert watch.look(10.0) == "ask"
    assert watch.look(10.1) == "fine", "one question at a time"
    watch.answer(True, asked_at=10.0)
    assert look_until(watch, 10.1, 19.9) in ("fine", "ask")
    assert watch.look(20.0) == "stalled"


def test_an_idle_partition_is_asked_again_and_never_stalled() -> None:
    watch = StallWatch(20.0, now=0.0)
    asked = 0
    for now in range(300):
        verdict = watch.look(float(now))
        assert verdict in ("fine", "ask")
        if verdict == "ask":
            asked += 1
            watch.answer(False, asked_at=float(now))
    assert 25 <= asked <= 30


def test_events_that_arrive_after_the_answer_clear_it() -> None:
    watch = StallWatch(20.0, now=0.0)
    assert look_until(watch, 0.0, 10.0) == "ask"
    watch.answer(True, asked_at=10.0)
    watch.moved(12.0)
    assert look_until(watch, 12.0, 21.0) == "fine"
    assert look_until(watch, 21.0, 22.0) == "ask"


def test_an_answer_older_than_the_last_event_says_nothing() -> None:
    watch = StallWatch(20.0, now=0.0)
    assert look_until(watch, 0.0, 10.0) == "ask"
    watch.moved(11.0)
    watch.answer(True, asked_at=10.0)
    assert look_until(watch, 11.0, 31.0) == "ask"


def test_long_silence_without_any_answer_is_unknown() -> None:
    watch = StallWatch(20.0, now=0.0)
    assert look_until(watch, 0.0, 59.0) in ("fine", "ask")
    assert watch.look(60.0) == "unknown"
    watch.moved(60.0)
    assert watch.look(61.0) == "fine"


@pytest.mark.parametrize("behind", [False, True])
def test_who_slept_reads_what_came_meanwhile_before_it_calls_the_partition_stalled(behind: bool) -> None:
    watch = StallWatch(20.0, now=0.0)
    assert look_until(watch, 0.0, 10.0) == "ask"
    watch.answer(behind, asked_at=10.0)
    for wakes in (100.0, 1000.0):
        assert watch.look(wakes) in ("fine", "ask")
    assert look_until(watch, 1000.0, 1009.0) in ("fine", "ask")
    assert (look_until(watch, 1009.0, 1011.0) == "stalled") is behind


STANDING = Standing(oldest=0, newest=42, newest_offset="420", newest_ms=1, empty=False, asked_at=1.0)
ASKED = Asked(Position("100", 10), 0, silent=True)


def test_the_question_is_asked_once_at_a_time_off_the_loop() -> None:
    release, asked = threading.Event(), []

    def ask(created: bool) -> Standing:
        asked.append(created)
        release.wait(10)
        return STANDING

    question = HubQuestion(ask)
    assert question.ask(ASKED, created=True)
    assert not question.ask(Asked(None, 1, silent=False))
    assert list(question.answers()) == []
    release.set()
    question.join(10.0)
    assert list(question.answers()) == [(STANDING, ASKED)]
    assert list(question.answers()) == []
    assert question.newest == 42
    assert asked == [True]


def test_a_question_for_which_no_thread_can_be_started_is_asked_later(caplog: pytest.LogCaptureFixture) -> None:
    question = HubQuestion(lambda _: STANDING)
    with no_more_threads():
        assert not question.ask(ASKED)
        question.join(10.0)
    assert "no process or thread can be started" in caplog.text
    assert question.ask(ASKED)
    question.join(10.0)
    assert list(question.answers()) == [(STANDING, ASKED)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unreachable("the hub does not answer"), "the hub does not answer"),
        (RuntimeError("can't start new thread"), "no process or thread can be started"),
        (OSError(errno.EMFILE, "Too many open files"), "no file descriptor is left"),
    ],
)
def test_a_question_that_fails_gives_no_answer(error: Exception, words: str, caplog: pytest.LogCaptureFixture) -> None:
    def ask(_: bool) -> Standing:
        raise error

    question = HubQuestion(ask)
    question.ask(ASKED)
    question.join(10.0)
    assert list(question.answers()) == []
    assert question.newest is None
    assert words in caplog.text


def test_a_question_about_silence_that_has_no_answer_is_told_until_one_has() -> None:
    answers: list[Unreachable | Standing] = [Unreachable("no answer from the hub"), STANDING]

    def ask(_: bool) -> Standing:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    question = HubQuestion(ask)
    for expected in ("no event comes, and the hub does not say whether one should: no answer from the hub", None):
        question.ask(Asked(None, 0, silent=True))
        question.join(10.0)
        assert question.trouble == expected
