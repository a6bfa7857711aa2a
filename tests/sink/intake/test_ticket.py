"""A ticket ends once, and only in the book of the assignment that it is of."""

import pytest
from confluent_kafka import TopicPartition

from ingest.config import Kafka
from ingest.sink.commands.command import Origin
from ingest.sink.intake.consumer import CommandConsumer
from ingest.sink.intake.offsets import OffsetTracker
from ingest.sink.intake.ticket import Ticket

PLACE = ("commands", 0)


@pytest.fixture
def member() -> CommandConsumer:
    """Of a group whose brokers do not answer, so that partitions come and go as the test says."""
    made = CommandConsumer(
        Kafka(bootstrap_servers="127.0.0.1:9"),
        ("commands",),
        "group",
        client_id="test",
        on_revoked=print,
        on_lost=print,
    )
    made._closing = True  # nobody is asked what was committed
    return made


def assign(member: CommandConsumer) -> OffsetTracker:
    member._assigned(None, [TopicPartition(*PLACE)])  # type: ignore[arg-type]  # it is not looked at
    return member._prefixes[PLACE]


def test_a_ticket_is_finished_once() -> None:
    offsets = OffsetTracker(5)
    offsets.add(5)
    offsets.add(6)
    ticket = Ticket(Origin(*PLACE, 5), None, offsets)
    ticket.finish()
    ticket.finish()
    assert (offsets.commit, offsets.unfinished, offsets.finishes) == (6, 1, 1)


def test_what_ends_late_finishes_nothing_of_the_next_assignment(member: CommandConsumer) -> None:
    """The partition left and came back while the command was in flight, or its log was made anew: the record at the offset
    was read again, and may be another one."""
    assign(member).add(5)
    late = member.ticket(Origin(*PLACE, 5), None)
    assert member.has(late)
    member._forget([PLACE])
    assert not member.has(late)
    offsets = assign(member)
    offsets.add(5)
    again = member.ticket(Origin(*PLACE, 5), None)
    assert (member.has(late), member.has(again)) == (False, True)
    late.finish()
    assert (offsets.commit, offsets.unfinished) == (5, 1)
    again.finish()
    assert (offsets.commit, offsets.unfinished) == (6, 0)


def test_a_ticket_of_a_partition_that_is_gone_ends_nowhere(member: CommandConsumer) -> None:
    ticket = member.ticket(Origin(*PLACE, 5), None)
    assert not member.has(ticket)
    ticket.finish()
    assert ticket.finished
