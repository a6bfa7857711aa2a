"""When sending is stalled, and when it only waits."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.sending.stall import StallWatch

SECONDS = 10.0


class Watched:
    def __init__(self) -> None:
        self.now = 0.0
        self.watch = StallWatch(SECONDS, self.now)

    def over(self, seconds: float, *, answers: int = 0, waiting: bool = True, may_go: bool = True) -> list[str]:
        """Looks once a second; the verdicts that are not fine."""
        found = []
        for _ in range(int(seconds)):
            self.now += 1
            found.append(self.watch.look(self.now, answers=answers, waiting=waiting, may_go=may_go))
        return [verdict for verdict in found if verdict != "fine"]


def test_silence_wants_another_link_and_then_another_process() -> None:
    it = Watched()
    assert it.over(SECONDS / 2 - 1) == []
    assert it.watch.trouble is None
    assert it.over(1) == []
    assert it.watch.trouble == "the hub has answered no command for 5 s"
    assert it.over(SECONDS / 2) == ["reopen"]
    assert it.watch.trouble == "the hub has answered no command for 10 s"
    assert it.over(SECONDS) == ["stalled"]


def test_any_answer_begins_anew() -> None:
    it = Watched()
    assert it.over(SECONDS) == ["reopen"]
    assert it.over(1, answers=1) == []
    assert it.watch.trouble is None
    assert it.over(SECONDS, answers=1) == ["reopen"]


def test_time_in_which_nothing_could_go_counts_for_nothing() -> None:
    it = Watched()
    assert it.over(SECONDS - 1) == []
    assert it.over(1_000, may_go=False) == []
    assert it.over(1) == ["reopen"]


def test_a_frozen_process_blames_nobody() -> None:
    it = Watched()
    it.now += 10_000
    assert it.over(1) == []


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=60))
def test_nobody_is_blamed_who_answers_within_the_time(turns: list[tuple[bool, bool, bool]]) -> None:
    """Answer, waiting and may_go of each second; whatever they are, a verdict needs that many silent ones."""
    it, answers, silent = Watched(), 0, 0
    for answered, waiting, may_go in turns:
        answers += answered
        silent = 0 if answered or not waiting else silent + may_go
        verdicts = it.over(1, answers=answers, waiting=waiting, may_go=may_go)
        assert bool(verdicts) == (silent > 0 and may_go and silent % SECONDS == 0)
