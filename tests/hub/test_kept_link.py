import logging

import pytest

from ingest.errors import Refused
from ingest.hub.kept_link import KeptLink
from ingest.hub.service_errors import HubError
from ingest.timing import Backoff

EXPIRED = HubError("amqp:unauthorized-access", "The token is expired.")


class Script:
    """A carrier that plays, link by link, what ends each; None for one that lasts."""

    state = "scripted"
    obstacle = None

    def __init__(self, *ends: Exception | None, comes_up: bool = True) -> None:
        self.came_up = False
        self._comes_up = comes_up
        self._ends = list(ends)

    def open(self) -> None:
        assert not self.came_up, "the link before must be closed first"

    def work(self, seconds: float) -> list[str]:
        self.came_up = self._comes_up
        if self._ends and (end := self._ends.pop(0)) is not None:
            raise end
        return []

    def close(self) -> list[str]:
        self.came_up = False
        return []

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        return f"{'ended' if came_up else 'refused'}: {error}"


def kept(script: Script) -> KeptLink[str]:
    made = KeptLink[str](
        "hub.example", script, what="The link", backoff=Backoff(0.0, 0.0), logger=logging.getLogger(__name__)
    )
    made.start()
    return made


def test_a_refusal_of_the_first_link_is_the_end() -> None:
    link = kept(Script(EXPIRED, comes_up=False))
    link.turn(0)
    with pytest.raises(Refused, match=r"hub\.example: refused: .*expired"):
        link.turn(0)


def test_a_link_that_came_up_and_ended_between_two_looks_was_no_refusal(caplog: pytest.LogCaptureFixture) -> None:
    link = kept(Script(EXPIRED, None))
    for _ in range(2):
        link.turn(0)
    assert not link.ready
    assert link.trouble is not None
    assert "ended: " in link.trouble
    for _ in range(2):
        link.turn(0)
    assert link.ready
    assert link.trouble is None
    assert link.life.links == 2
