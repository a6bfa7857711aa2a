import logging

from hypothesis import given
from hypothesis import strategies as st

from ingest.recent_warnings import LONGEST, RecentWarnings, Warned


def log(handler: RecentWarnings, level: int, text: str, *arguments: object) -> None:
    logger = logging.Logger("ingest.test")
    logger.addHandler(handler)
    logger.log(level, text, *arguments)


def test_warnings_and_errors_are_kept_the_newest_first_and_nothing_less() -> None:
    kept = RecentWarnings()
    log(kept, logging.INFO, "fine")
    log(kept, logging.WARNING, "slow: %d s", 3)
    log(kept, logging.ERROR, "gone")
    assert [(one.level, one.message) for one in kept.last()] == [("error", "gone"), ("warning", "slow: 3 s")]


def test_one_that_comes_again_is_counted_and_is_the_newest() -> None:
    kept = RecentWarnings()
    for text in ("slow", "gone", "slow"):
        log(kept, logging.WARNING, text)
    kept.extend([Warned(2e9, "warning", "MainProcess", "slow", 4)])
    assert [(one.message, one.times) for one in kept.last()] == [("slow", 6), ("gone", 1)]
    assert kept.last()[0].time == 2e9


def test_a_message_is_one_short_line_whatever_is_in_it() -> None:
    kept = RecentWarnings()
    log(kept, logging.WARNING, "%s", "a\nb\x1b[2J" + "x" * 10_000)
    (one,) = kept.last()
    assert one.message.startswith("a\\nb\\x1b[2J")
    assert len(one.message) < LONGEST + 10


def test_a_message_that_cannot_be_made_breaks_nothing() -> None:
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        kept = RecentWarnings()
        log(kept, logging.WARNING, "%d", "no number")
        assert kept.last() == []
    finally:
        logging.raiseExceptions = raising


@given(st.lists(st.sampled_from("abcdefg")), st.integers(1, 5))
def test_there_are_never_more_than_agreed_and_they_are_the_last_ones(texts: list[str], most: int) -> None:
    kept = RecentWarnings(most)
    for text in texts:
        log(kept, logging.WARNING, text)
    expected = list(dict.fromkeys(reversed(texts)))[:most]
    assert [one.message for one in kept.last()] == expected
    assert [one.message for one in kept.take()] == expected[::-1]
    assert kept.last() == kept.take() == []
