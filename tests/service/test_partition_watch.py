"""Which partitions are new, and when the hub is asked for them. Pure: no process, no hub."""

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Config, Hub, Secret, Source
from ingest.service.partition_watch import REPORT_SECONDS, PartitionWatch
from tests.config.samples import EVENT_HUB

CONFIG = Config(hub=Hub(Secret(EVENT_HUB)))
OTHER_HUB = replace(CONFIG, hub=Hub(Secret(EVENT_HUB.replace("EntityPath=", "EntityPath=other-"))))
OTHER_KEY = replace(CONFIG, hub=Hub(Secret(EVENT_HUB.replace("SharedAccessKey=", "SharedAccessKey=bmV3"))))


class Watch:
    def __init__(self) -> None:
        self.now = 0.0
        self.watch = PartitionWatch(lambda: self.now)

    def asks(self) -> float | None:
        """After how many seconds it asks next, within a day."""
        began = self.now
        while not self.watch.due:
            self.now += 1
            if self.now - began > 86_400:
                return None
        self.watch.asked()
        assert not self.watch.due, "one question at a time"
        return self.now - began

    def answer(self, *partitions: str) -> list[str]:
        self.asks()
        return self.watch.answer({"partitions": list(partitions)})


@pytest.fixture
def watch() -> Watch:
    made = Watch()
    made.watch.begin(CONFIG, ["0", "1"])
    return made


def test_what_is_new_is_found_within_a_minute_and_once(watch: Watch) -> None:
    """Also when one question fails."""
    assert watch.answer("0", "1") == []
    added = watch.now
    watch.asks()
    assert watch.watch.answer({"trouble": "hub h: connection lost"}) == []
    assert watch.answer("0", "1", "2") == ["2"]
    assert watch.now - added < 60
    assert watch.answer("0", "1", "2") == []
    assert watch.watch.added == {"2"}


def test_many_at_once_and_ids_given_twice(watch: Watch) -> None:
    ids = [str(number) for number in range(32)]
    assert watch.answer(*ids, "0", "5", "31") == ids[2:]


@pytest.mark.parametrize("source", [Source(partitions=("0",)), Source(partitions_check_seconds=0)])
def test_nobody_asks_when_the_partitions_are_listed_or_it_is_not_wanted(source: Source) -> None:
    watch = Watch()
    watch.watch.begin(replace(CONFIG, source=source), ["0"])
    assert watch.asks() is None


def test_the_interval_is_the_configured_one() -> None:
    watch = Watch()
    watch.watch.begin(replace(CONFIG, source=Source(partitions_check_seconds=7)), ["0"])
    assert watch.asks() == 7
    watch.watch.answer({"trouble": "away"})
    assert watch.asks() == 7


def test_before_the_first_discovery_nobody_asks() -> None:
    assert Watch().asks() is None


def test_nobody_asks_between_a_pause_and_the_next_discovery(watch: Watch) -> None:
    watch.watch.pause()
    assert watch.asks() is None
    watch.watch.begin(CONFIG, ["0", "1"])
    assert watch.asks() == CONFIG.source.partitions_check_seconds


def test_trouble_is_told_now_and_then_and_its_end_once(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    began = watch.now
    answers = 0
    while watch.now - began < REPORT_SECONDS:
        watch.asks()
        # A hub's words have a time and a number in them: they are never the same twice.
        assert watch.watch.answer({"trouble": f"hub h: server-busy, TrackingId {answers}"}) == []
        answers += 1
    assert answers >= REPORT_SECONDS / CONFIG.source.partitions_check_seconds
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "server-busy, TrackingId 0" in caplog.text
    watch.answer("0", "1")
    watch.answer("0", "1")
    assert caplog.text.count("names its partitions again") == 1


@pytest.mark.parametrize("fewer", [("0",), ("1", "2"), ("7",)])
def test_a_hub_that_names_fewer_stops_nothing_and_is_told_of_once(
    watch: Watch, caplog: pytest.LogCaptureFixture, fewer: tuple[str, ...]
) -> None:
    known = {"0", "1"}
    assert watch.answer(*fewer) == [each for each in fewer if each not in known]
    assert watch.answer(*fewer) == []
    [record] = caplog.records
    assert "are read on" in record.message
    assert watch.answer("0", "1", *fewer) == [], "what is back was read all the time"


def test_no_partitions_at_all_are_no_answer(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    assert watch.answer() == []
    assert "it names none" in caplog.text
    assert watch.answer("0", "1", "2") == ["2"]


def test_a_reload_keeps_in_mind_what_was_new_and_finds_what_came_meanwhile(watch: Watch) -> None:
    watch.answer("0", "1", "2")
    watch.watch.begin(OTHER_KEY, ["0", "1", "2", "3"])
    assert watch.watch.added == {"2", "3"}, "3 came, and the discovery of the reload was the first to see it"


def test_another_hub_or_another_choice_of_partitions_begins_anew(watch: Watch) -> None:
    watch.answer("0", "1", "2")
    watch.watch.begin(OTHER_HUB, ["0", "1", "2", "3"])
    assert watch.watch.added == set()
    watch.watch.begin(replace(OTHER_HUB, source=Source(partitions=("0",))), ["0"])
    watch.watch.begin(OTHER_HUB, ["0", "1", "2", "3", "4"])
    assert watch.watch.added == set(), "4 may have been there, and was not looked for"


IDS = st.lists(st.sampled_from([str(number) for number in range(8)]), max_size=10)


@given(IDS, st.lists(st.one_of(IDS, st.none())))
def test_every_partition_is_started_once_and_all_but_the_first_are_new(
    first: list[str], answers: list[list[str] | None]
) -> None:
    watch, started = Watch(), list(dict.fromkeys(first))
    watch.watch.begin(CONFIG, started)
    for answer in answers:
        started += watch.watch.answer({"trouble": "away"} if answer is None else {"partitions": answer})
    assert len(started) == len(set(started))
    assert set(started) == {*first, *(partition for answer in answers for partition in answer or ())}
    assert watch.watch.added == set(started) - set(first)
