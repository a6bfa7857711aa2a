"""When a partition is taken again that another may read, with the hub's answers and a clock that the test gives."""

import threading
from collections.abc import Sequence

from ingest.config import Config
from ingest.hub.partition_look import Attempt
from ingest.source.receiving.vacancy import FRESH_SECONDS, GHOST_SECONDS, LOOK_SECONDS, Vacancy
from tests.faults.waiting import wait_until


class Hub:
    def __init__(self) -> None:
        self.answer = "stolen"
        self.asked = 0
        self.now = 0.0
        self.vacancy = Vacancy(Config(), "3", self._look, lambda: self.now)

    def _look(self, config: Config, partitions: Sequence[str]) -> list[Attempt]:
        assert partitions == ["3"]
        self.asked += 1
        return [Attempt("3", self.answer)]

    def after(self, seconds: float) -> bool:
        """Whether it may be taken so much later, once the hub has answered if it was asked."""
        self.now += seconds
        if self.vacancy.free():
            return True
        asking = self.vacancy._asking
        if asking is not None:
            wait_until(lambda: not asking.is_alive(), "the hub does not answer")
        return self.vacancy.free()


def test_what_nobody_has_may_be_taken_for_a_moment() -> None:
    hub = Hub()
    hub.answer = ""
    assert hub.after(0)
    assert hub.after(FRESH_SECONDS / 2)
    assert hub.asked == 1
    assert hub.after(LOOK_SECONDS)
    assert hub.asked == 2, "an old answer does not count"


def test_what_another_has_is_left_to_it_until_it_is_gone() -> None:
    hub = Hub()
    assert not hub.after(0)
    assert not hub.after(LOOK_SECONDS / 2)
    assert hub.asked == 1, "not all the time"
    assert not hub.after(LOOK_SECONDS)
    hub.answer = ""
    assert hub.after(LOOK_SECONDS)


def test_a_hub_that_says_nothing_gives_nothing_free() -> None:
    hub = Hub()
    hub.answer = "silent"
    assert not any(hub.after(LOOK_SECONDS) for _ in range(20))


def test_a_link_of_before_that_the_hub_takes_for_alive_is_replaced() -> None:
    hub = Hub()
    assert not hub.after(0)
    hub.answer = "silent"
    assert not hub.after(GHOST_SECONDS), "the node has learnt nothing meanwhile"
    hub.answer = "stolen"
    looks = int(GHOST_SECONDS / LOOK_SECONDS)
    assert [hub.after(LOOK_SECONDS) for _ in range(looks + 1)] == [False] * looks + [True]


def test_a_look_that_lasts_keeps_nobody_waiting() -> None:
    answered = threading.Event()

    def look(config: Config, partitions: Sequence[str]) -> list[Attempt]:
        answered.wait(60)
        return [Attempt("3", "")]

    vacancy = Vacancy(Config(), "3", look)
    assert not vacancy.free()
    assert not vacancy.free()
    answered.set()
    wait_until(vacancy.free, "the answer is not heard")
