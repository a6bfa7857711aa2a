import pytest

from ingest.sink.intake.read_ahead import FETCH, ReadAhead

ENOUGH = 256


@pytest.mark.parametrize(
    ("ready", "deferred", "has_room", "may_send", "wanted"),
    [
        (0, 0, True, True, FETCH),
        (ENOUGH - 1, 0, True, True, FETCH),
        (ENOUGH, 0, True, True, 1),
        (ENOUGH, 0, True, False, 1),
        (0, 0, True, False, FETCH),
        (0, 0, False, True, 0),
        (ENOUGH, 0, False, True, 0),
        (ENOUGH - 1, 1, True, True, FETCH),
        (ENOUGH, 1, True, True, 0),
        (0, 1, True, False, 0),
    ],
)
def test_so_many_that_the_link_never_waits(
    ready: int, deferred: int, has_room: bool, may_send: bool, wanted: int
) -> None:
    ahead = ReadAhead(ENOUGH)
    assert ahead.wanted(ready=ready, deferred=deferred, has_room=has_room, may_send=may_send) == wanted


def test_past_places_it_does_not_pause_and_go_on_again_at_each_command() -> None:
    ahead = ReadAhead(ENOUGH)

    def pauses(ready: int) -> bool:
        return ahead.wanted(ready=ready, deferred=5, has_room=True, may_send=True) == 0

    assert not pauses(ENOUGH - 1)
    assert pauses(ENOUGH)
    assert pauses(ENOUGH // 2)
    assert not pauses(ENOUGH // 2 - 1)
    assert not pauses(ENOUGH - 1)
