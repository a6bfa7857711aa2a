"""When a partition process asks for a turn, and when it gives it back."""

from ingest.process.catch_up_turns import TURN_SECONDS
from ingest.source.catch_up_turn import CONTENT_SECONDS, PATIENCE_SECONDS, WAIT_SECONDS, CatchUpTurn


class Node:
    """The clock and the supervisor. Waiting takes no time but the clock's."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.turn = False

    def clock(self) -> float:
        return self.now

    def want_turn(self) -> None:
        self.asked.append("want")
        self.turn = False

    def end_turn(self) -> None:
        self.asked.append("done")

    def wait_for_turn(self, seconds: float) -> bool:
        if not self.turn:
            self.now += seconds
        return self.turn


def made() -> tuple[CatchUpTurn, Node]:
    node = Node()
    return CatchUpTurn(node, clock=node.clock), node


def at_its_turn() -> tuple[CatchUpTurn, Node]:
    catch_up, node = made()
    catch_up.received(1_000, more=True)
    node.turn = True
    assert catch_up.go()
    return catch_up, node


def test_who_keeps_up_asks_nobody() -> None:
    catch_up, node = made()
    for events in (0, 1, 5_000, 0):
        assert catch_up.go()
        catch_up.received(events, more=False)
    assert node.asked == []


def test_more_than_one_read_can_take_waits_for_a_turn() -> None:
    catch_up, node = made()
    catch_up.received(1_000, more=True)
    assert node.asked == ["want"]
    assert not catch_up.go()
    assert node.now == 100 + WAIT_SECONDS
    node.turn = True
    assert catch_up.go()
    catch_up.received(1_000, more=True)
    assert catch_up.go(), "its turn is not over"
    assert node.asked == ["want"]


def test_a_turn_ends_after_its_time_and_the_next_one_is_asked_for_at_once() -> None:
    catch_up, node = at_its_turn()
    node.now += TURN_SECONDS
    catch_up.received(1_000, more=True)
    assert node.asked == ["want", "want"]
    assert not catch_up.go()


def test_a_turn_that_ends_with_nothing_left_asks_for_none() -> None:
    catch_up, node = at_its_turn()
    node.now += TURN_SECONDS
    catch_up.received(10, more=False)
    assert node.asked == ["want", "done"]
    assert catch_up.go()


def test_who_keeps_up_again_gives_the_turn_to_others() -> None:
    catch_up, node = at_its_turn()
    node.now += 0.9 * CONTENT_SECONDS
    catch_up.received(1_000, more=True)
    node.now += 0.9 * CONTENT_SECONDS
    catch_up.received(10, more=False)
    assert catch_up.has_turn, "it was behind just now"
    node.now += 0.2 * CONTENT_SECONDS
    catch_up.received(10, more=False)
    assert node.asked == ["want", "done"]
    assert not catch_up.has_turn
    assert catch_up.go(), "keeping up takes no turn"


def test_who_has_no_room_for_events_gives_the_turn_to_others() -> None:
    catch_up, node = at_its_turn()
    node.now += 1.1 * CONTENT_SECONDS
    catch_up.received(0, more=True)
    assert node.asked == ["want", "done"]


def test_a_supervisor_that_does_not_answer_stops_nobody() -> None:
    catch_up, node = made()
    catch_up.received(1_000, more=True)
    while not catch_up.go():
        assert node.now <= 100 + PATIENCE_SECONDS + WAIT_SECONDS
    assert node.now >= 100 + PATIENCE_SECONDS
    catch_up.received(1_000, more=True)
    assert catch_up.go(), "for a whole turn"
