"""When a process that can have lost its partition opens a link again, and reads the store."""

from unittest.mock import Mock

import pytest

from ingest.config import Source
from ingest.hub.position import EARLIEST, Position, StartAt
from ingest.source.checkpoints.writer import Looked
from ingest.source.ownership import ACKS_SECONDS, FRESH_SECONDS, Ownership


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.vacant = False
        self.receiver, self.delivery, self.writer = (
            Mock(attaches=1),
            Mock(on_the_way=0, position=None, rewinds=False),
            Mock(overtaken=None),
        )
        self.writer.glanced = self.writer.looked.return_value = Looked(None, changed=False)
        self.ownership = Ownership(
            Source(),
            "3",
            None,
            self.receiver,
            self.delivery,
            self.writer,
            Mock(),
            vacant=lambda: self.vacant,
            clock=lambda: self.now,
        )


def test_the_first_link_takes_the_partition_and_a_later_one_leaves_it_to_who_reads_it() -> None:
    world = World()
    assert world.ownership.may_open()
    world.now += FRESH_SECONDS
    assert not world.ownership.may_open()
    world.writer.glance.assert_not_called()
    world.vacant = True
    assert not world.ownership.may_open()
    world.writer.glance.assert_called_once_with()
    assert world.ownership.may_open()


def test_who_has_lost_a_partition_waits_until_nobody_reads_it_and_reads_the_store_then() -> None:
    world = World()
    world.ownership.doubt("stolen")
    world.now += ACKS_SECONDS
    world.ownership.poll()
    world.receiver.resume.assert_not_called()
    assert world.writer.look.call_count == 1
    world.vacant = True
    world.ownership.poll()
    assert world.writer.look.call_count == 2, "what it read before is old"
    world.receiver.resume.assert_called_once()


@pytest.mark.parametrize(
    ("position", "start"), [(None, StartAt(EARLIEST)), (Position("70", 7), StartAt("70"))], ids=["nothing is safe", "7"]
)
def test_what_is_needed_again_is_received_again_behind_what_is_safe(position: Position | None, start: StartAt) -> None:
    world = World()
    world.ownership.poll()
    world.receiver.rewind.assert_not_called()
    world.delivery.position, world.delivery.rewinds = position, True
    world.ownership.poll()
    world.delivery.begin.assert_called_once_with(position)
    world.receiver.rewind.assert_called_once_with(start, position)
    world.writer.look.assert_not_called()


def test_who_can_have_lost_a_partition_goes_back_only_once_it_knows_where_to() -> None:
    world = World()
    world.delivery.rewinds = True
    world.ownership.doubt("stolen")
    world.ownership.poll()
    world.receiver.rewind.assert_not_called()
    world.delivery.begin.assert_not_called()
