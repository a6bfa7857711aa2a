"""Members of a consumer group of Apache Kafka; of librdkafka's mock cluster where Kafka itself has to fail."""

import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from ingest.config import Kafka
from ingest.kafka import client, statistics
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.kafka.client import EVERY_CLIENT
from ingest.kafka.mock_cluster import MockCluster
from ingest.sink.commands.command import Origin
from ingest.sink.intake import consumer, held_back
from ingest.sink.intake.consumer import CommandConsumer, Place
from ingest.sink.intake.ticket import Ticket
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch
from tests.services.kafka import IN_ORDER, KafkaCluster

PATIENCE = 60.0
OFFSET_COMMIT = 8
REBALANCE_IN_PROGRESS = 27
_groups = count(1)


class Group:
    """A topic of its own, a consumer group of its own, and its members."""

    def __init__(self, bootstrap: str) -> None:
        number = next(_groups)
        self.bootstrap = bootstrap
        self.topic = f"consume-{number}"
        self.name = f"consume-{number}"
        self.members: list[Member] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **IN_ORDER})

    def write(self, partition: int, values: int, *, first: int = 0) -> None:
        for value in range(first, first + values):
            self._producer.produce(self.topic, b"%d" % value, b"key", partition)
        assert self._producer.flush(PATIENCE) == 0

    def join(self) -> "Member":
        member = Member(self, len(self.members))
        self.members.append(member)
        return member

    def committed(self, partition: int) -> int:
        """The offset to go on from; -1001 when nothing was ever committed."""
        asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        try:
            [answer] = asker.committed([TopicPartition(self.topic, partition)], timeout=PATIENCE)
            return answer.offset
        finally:
            asker.close()

    def turn(self, reached: Callable[[], bool], *, room: int = 100) -> None:
        """All members poll in turns, as processes would at the same time, until `reached()`."""
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, [member.commands.assigned for member in self.members]
            for member in self.members:
                member.poll(room)


class Member:
    def __init__(self, group: Group, number: int) -> None:
        self.read: list[tuple[int, int]] = []
        """(partition, offset) in the order of reading."""
        self.tickets: dict[tuple[int, int], Ticket] = {}
        self.revoked: list[Place] = []
        self.finishes_on_revoke = True
        self._group = group
        self.commands = CommandConsumer(
            Kafka(bootstrap_servers=group.bootstrap, librdkafka={"heartbeat.interval.ms": "200"}),
            (group.topic,),
            group.name,
            client_id=f"member-{number}",
            on_revoked=self._on_revoked,
            on_lost=self._on_revoked,
        )
        self.commands.start()

    @property
    def partitions(self) -> list[int]:
        return sorted(partition for _, partition in self.commands.assigned)

    def poll(self, room: int = 100) -> list[Ticket]:
        tickets = self.commands.poll(room, 0.05)
        for ticket in tickets:
            place = ticket.origin.partition, ticket.origin.offset
            self.read.append(place)
            self.tickets[place] = ticket
        return tickets

    def finish(self, partition: int, *offsets: int) -> None:
        unreadable = {ticket.origin[1:]: ticket for ticket, _ in self.commands.unreadable}
        for offset in offsets:
            (self.tickets | unreadable)[partition, offset].finish()

    def _on_revoked(self, places: list[Place]) -> None:
        self.revoked += places
        if self.finishes_on_revoke:
            for partition, offset in self.read:
                self.finish(partition, offset)


@pytest.fixture
def group(kafka: KafkaCluster) -> Iterator[Callable[[int], Group]]:
    made: list[Group] = []

    def make(partitions: int) -> Group:
        made.append(Group(kafka.bootstrap))
        create_topics(kafka.bootstrap, {}, [TopicSpec(made[-1].topic, partitions)], PATIENCE)
        return made[-1]

    yield make
    for each in made:
        for member in each.members:
            member.commands.close()


@pytest.fixture
def mock() -> Iterator[tuple[MockCluster, Group]]:
    with MockCluster() as cluster:
        cluster.set_group_delay(0)
        ours = Group(cluster.bootstrap)
        cluster.create_topic(ours.topic, 1)
        yield cluster, ours
        for member in ours.members:
            member.commands.close()


@pytest.mark.services
def test_only_the_contiguous_finished_prefix_is_committed(group: Callable[[int], Group]) -> None:
    ours = group(1)
    ours.write(0, 6)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 6)
    member.finish(0, 0, 1, 3, 4)
    member.commands.commit(wait=True)
    assert ours.committed(0) == 2, "the third is not finished"
    assert member.commands.lag == 2, "the third and the last"
    member.finish(0, 2)
    member.commands.commit(wait=True)
    assert ours.committed(0) == 5
    member.commands.close()
    ours.members.clear()
    again = ours.join()
    ours.turn(lambda: bool(again.read))
    assert again.read == [(0, 5)]


@pytest.mark.services
def test_what_is_finished_behind_a_held_command_is_not_read_again(group: Callable[[int], Group]) -> None:
    """Not by the next process, and not by the one after it, which goes on in the middle of what was finished."""
    ours = group(1)
    ours.write(0, 3000)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 3000)
    held = [(0, offset) for offset in range(100, 3000, 4)]
    member.finish(0, *(offset for offset in range(3000) if (0, offset) not in held))
    for _ in range(2):
        member.commands.close()
        assert ours.committed(0) == held[0][1]
        member = ours.members[0] = Member(ours, 1)
        member.finishes_on_revoke = False
        ours.turn(lambda: len(member.read) >= len(held))  # noqa: B023 - called in this turn of the loop
        assert member.read == held
        assert member.commands.lag >= len(held)
        member.finish(0, *(offset for _, offset in held[:300]))
        del held[:300]


@pytest.mark.services
def test_offsets_that_an_operator_resets_are_all_read_again(group: Callable[[int], Group]) -> None:
    ours = group(1)
    ours.write(0, 10)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 10)
    member.finish(0, *range(2), *range(3, 9))
    member.commands.close()
    operator = Consumer({"bootstrap.servers": ours.bootstrap, "group.id": ours.name})
    operator.commit(offsets=[TopicPartition(ours.topic, 0, 1)], asynchronous=False)
    operator.close()
    again = ours.members[0] = Member(ours, 1)
    ours.turn(lambda: len(again.read) == 9)
    assert again.read == [(0, offset) for offset in range(1, 10)]


@pytest.mark.services
def test_nothing_finished_commits_nothing_and_close_commits_the_rest(group: Callable[[int], Group]) -> None:
    ours = group(1)
    ours.write(0, 3)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 3)
    member.commands.commit(wait=True)
    assert ours.committed(0) <= 0
    member.finish(0, 0, 1)
    member.commands.close()
    assert ours.committed(0) == 2
    assert member.revoked == [(ours.topic, 0)], "what is in flight is dealt with before the partition is left"
    assert member.commands.assigned == []


@pytest.mark.services
def test_a_partition_moves_to_a_second_member_with_nothing_skipped_and_nothing_repeated(
    group: Callable[[int], Group],
) -> None:
    ours = group(4)
    for partition in range(4):
        ours.write(partition, 50)
    first = ours.join()
    ours.turn(lambda: len(first.read) == 200)
    first.finish(0, *range(10))
    second = ours.join()
    ours.turn(lambda: len(first.partitions) == len(second.partitions) == 2)
    assert sorted(first.partitions + second.partitions) == [0, 1, 2, 3]
    assert sorted(partition for _, partition in first.revoked) == second.partitions, "the others never stopped"
    for partition in range(4):
        ours.write(partition, 5, first=50)
    ours.turn(lambda: len(first.read) + len(second.read) == 220)
    assert sorted(first.read + second.read) == [(partition, offset) for partition in range(4) for offset in range(55)]
    assert {partition for partition, _ in second.read} == set(second.partitions)


@pytest.mark.services
def test_what_is_unfinished_when_a_partition_moves_is_read_by_the_other(group: Callable[[int], Group]) -> None:
    ours = group(2)
    for partition in range(2):
        ours.write(partition, 10)
    first = ours.join()
    first.finishes_on_revoke = False
    ours.turn(lambda: len(first.read) == 20)
    for partition in range(2):
        first.finish(partition, 0, 1, 2, 5)
    second = ours.join()
    ours.turn(lambda: len(second.read) == 6)
    [moved] = second.partitions
    assert second.read == [(moved, offset) for offset in (3, 4, 6, 7, 8, 9)]
    first.finish(moved, 3, 4, 6, 7, 8, 9)
    first.commands.commit(wait=True)
    assert ours.committed(moved) == 3, "it is no longer the first member's to commit"
    [kept] = first.partitions
    first.finish(kept, 3)
    first.commands.commit(wait=True)
    assert ours.committed(kept) == 4


@pytest.mark.services
def test_without_room_nothing_more_is_read_but_the_group_is_served(group: Callable[[int], Group]) -> None:
    ours = group(1)
    ours.write(0, 3)
    member = ours.join()
    ours.turn(lambda: len(member.read) == 3)
    member.poll(0)
    ours.write(0, 3, first=3)
    served = Deadline(1.0)
    ours.turn(lambda: served.expired, room=0)
    assert len(member.read) == 3
    ours.turn(lambda: len(member.read) == 6)
    assert member.revoked == []


@pytest.mark.services
def test_partitions_that_come_while_there_is_no_room_are_read_once_there_is(group: Callable[[int], Group]) -> None:
    ours = group(2)
    first, second = ours.join(), ours.join()
    ours.turn(lambda: len(first.partitions) == len(second.partitions) == 1)
    first.poll(0)
    first.poll(0)
    second.commands.close()
    ours.members.remove(second)
    # The very poll that brings the other partition is the last one without room.
    ours.turn(lambda: len(first.partitions) == 2, room=0)
    for partition in range(2):
        ours.write(partition, 3)
    ours.turn(lambda: len(first.read) == 6)


@pytest.mark.services
def test_a_partition_that_comes_back_is_read_from_what_was_committed(group: Callable[[int], Group]) -> None:
    ours = group(2)
    for partition in range(2):
        ours.write(partition, 4)
    first = ours.join()
    first.finishes_on_revoke = False
    ours.turn(lambda: len(first.read) == 8)
    second = ours.join()
    second.finishes_on_revoke = False
    ours.turn(lambda: len(second.read) == 4)
    [moved] = second.partitions
    second.commands.close()
    ours.members.remove(second)
    first.read.clear()
    ours.turn(lambda: len(first.read) == 4)
    assert first.read == [(moved, offset) for offset in range(4)]
    first.finish(moved, 0, 1, 2, 3)
    first.commands.commit(wait=True)
    assert ours.committed(moved) == 4


def test_a_refused_commit_is_tried_again(mock: tuple[MockCluster, Group]) -> None:
    cluster, ours = mock
    ours.write(0, 2)
    member = ours.join()
    ours.turn(lambda: len(member.read) == 2)
    member.finish(0, 0, 1)
    cluster.push_errors(OFFSET_COMMIT, [REBALANCE_IN_PROGRESS])
    member.commands.commit()
    deadline = Deadline(PATIENCE)
    while ours.committed(0) != 2:
        assert not deadline.expired
        assert member.revoked == []
        member.poll()
        member.commands.commit()


@pytest.mark.parametrize("early", [False, True], ids=["then", "before"])
def test_a_partition_is_not_left_while_its_last_commit_is_refused(mock: tuple[MockCluster, Group], early: bool) -> None:
    """`before`: the refused commit was not waited for, and its answer has not been read."""
    cluster, ours = mock
    ours.write(0, 2)
    member = ours.join()
    ours.turn(lambda: len(member.read) == 2)
    member.finish(0, 0, 1)
    cluster.push_errors(OFFSET_COMMIT, [REBALANCE_IN_PROGRESS] * (1 if early else 3))
    if early:
        member.commands.commit()
    member.commands.close(PATIENCE)
    assert not member.commands.uncommitted
    assert ours.committed(0) == 2


@pytest.mark.parametrize("end", ["under way", "over"])
def test_the_lag_may_be_asked_for_while_another_thread_closes(mock: tuple[MockCluster, Group], end: str) -> None:
    """An end that outlasts its deadline goes on by itself, and the last heartbeat tells the lag all the same."""
    _, ours = mock
    ours.write(0, 2)
    member = ours.join()
    ours.turn(lambda: len(member.read) == 2)
    assigned = dict(member.commands._prefixes)
    reached, go_on = threading.Event(), threading.Event()

    def revoked(_: list[Place]) -> None:
        reached.set()
        assert go_on.wait(PATIENCE)

    member.commands._on_revoked = revoked
    thread = threading.Thread(target=member.commands.close)
    thread.start()
    assert reached.wait(PATIENCE)
    late = threading.Timer(5.0, go_on.set)  # a lag that waits does not wait for ever
    late.start()
    if end == "over":
        go_on.set()
        thread.join(PATIENCE)
    # The partitions go last: the other thread may be anywhere.
    member.commands._prefixes.update(assigned)
    assert member.commands.lag == sum(prefix.unfinished for prefix in assigned.values()) == 2
    assert thread.is_alive() == (end == "under way")
    late.cancel()
    go_on.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_kafka_away_is_a_trouble_that_ends_by_itself(mock: tuple[MockCluster, Group]) -> None:
    cluster, ours = mock
    member = ours.join()
    ours.turn(lambda: member.partitions == [0])
    cluster.set_down(1)
    ours.turn(lambda: member.commands.trouble is not None)
    assert cluster.bootstrap in (member.commands.trouble or "")
    cluster.set_up(1)
    ours.turn(lambda: member.commands.trouble is None)
    assert member.read == [], "not a record was needed to see it"
    ours.write(0, 1)
    ours.turn(lambda: len(member.read) == 1)


@pytest.mark.services
def test_a_broker_that_falls_silent_is_told_until_it_answers(
    mock: tuple[MockCluster, Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SILENCE_SECONDS", 1.0)
    # Longer than the test: a connection that is given up is silent no more, whether anybody has looked or not.
    monkeypatch.setattr(client, "EVERY_CLIENT", {**EVERY_CLIENT, "socket.timeout.ms": int(2_000 * PATIENCE)})
    monkeypatch.setattr(consumer, "DEFAULTS", {**consumer.DEFAULTS, "statistics.interval.ms": 200})
    cluster, ours = mock
    member = ours.join()
    ours.write(0, 1)
    # Now there is a connection that can fall silent; one that is only being opened is none.
    ours.turn(lambda: len(member.read) == 1 and member.commands.silence is None)
    cluster.set_rtt(1, 3_600)
    ours.turn(lambda: member.commands.silence is not None)
    assert "has answered nothing for" in (member.commands.silence or "")
    assert cluster.bootstrap in (member.commands.silence or "")
    cluster.set_rtt(1, 0)
    cluster.set_down(1)  # what it owes it would answer in an hour
    cluster.set_up(1)
    ours.write(0, 1, first=1)
    # A member that was silent for longer than its session reads again what it has not committed.
    ours.turn(lambda: len(member.read) >= 2 and member.commands.silence is None)


@pytest.mark.services
def test_nothing_lags_behind_records_that_are_not_there(
    group: Callable[[int], Group], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An aborted transaction, and one that is not ended: no consumer ever sees the one, or sees the other yet."""
    ours = group(1)
    ours.write(0, 2)
    writer = Producer({"bootstrap.servers": ours.bootstrap, "transactional.id": ours.name})
    writer.init_transactions(PATIENCE)

    def write_in_a_transaction(values: int) -> None:
        writer.begin_transaction()
        for _ in range(values):
            writer.produce(ours.topic, b"value", b"key", 0)
        assert writer.flush(PATIENCE) == 0

    write_in_a_transaction(50)
    writer.abort_transaction(PATIENCE)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 2)
    member.finish(0, 0)
    ours.turn(lambda: member.commands.lag == 1)
    member.finish(0, 1)
    assert member.commands.lag == 0
    member.commands.commit(wait=True)
    assert ours.committed(0) == 53, "behind the transaction and its end"
    monkeypatch.setattr(held_back, "HELD_SECONDS", 0.0)
    write_in_a_transaction(10)
    ours.turn(lambda: member.commands._high(ours.topic, 0) == 63)
    ours.turn(lambda: member.commands.lag == 0)
    # Nothing else shows that they wait.
    ours.turn(lambda: "offsets from 53 on for more than" in caplog.text)
    writer.commit_transaction(PATIENCE)
    ours.turn(lambda: len(member.read) == 12)
    ours.turn(lambda: member.commands.lag == 10)
    member.finish(0, *range(53, 63))
    assert member.commands.lag == 0


@pytest.mark.services
def test_a_topic_that_is_made_anew_is_read_from_its_beginning(group: Callable[[int], Group]) -> None:
    ours = group(1)
    ours.write(0, 10)
    member = ours.join()
    ours.turn(lambda: len(member.read) == 10)
    member.finish(0, *range(9))
    admin = AdminClient({"bootstrap.servers": ours.bootstrap})
    admin.delete_topics([ours.topic])[ours.topic].result(PATIENCE)
    create_topics(ours.bootstrap, {}, [TopicSpec(ours.topic, 1)], PATIENCE)
    member.read.clear()
    ours.write(0, 3)
    ours.turn(lambda: len(member.read) == 3)
    assert member.read == [(0, 0), (0, 1), (0, 2)]
    member.finish(0, 0, 1)
    member.commands.commit(wait=True)
    assert ours.committed(0) == 2
    assert member.commands.lag == 1


@pytest.mark.parametrize("metadata", ["", "somebody-else's", "ingest1:AAAA"])
def test_foreign_metadata_skips_nothing(mock: tuple[MockCluster, Group], metadata: str) -> None:
    _, ours = mock
    ours.write(0, 10)
    other = Consumer({"bootstrap.servers": ours.bootstrap, "group.id": ours.name})
    other.commit(offsets=[TopicPartition(ours.topic, 0, 4, metadata)], asynchronous=False)
    other.close()
    member = ours.join()
    ours.turn(lambda: len(member.read) == 6)
    assert member.read == [(0, offset) for offset in range(4, 10)]
    member.finish(0, *range(4, 10))
    member.commands.commit(wait=True)
    assert ours.committed(0) == 10


@pytest.mark.services
def test_a_broker_that_takes_less_metadata_gets_less(
    group: Callable[[int], Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "encode", lambda *arguments: "x" * arguments[-1])
    ours = group(1)
    ours.write(0, 2)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 2)
    member.finish(0, 0)
    member.commands._metadata_bytes = 6000  # more than this broker takes, as 3,500 is for one with a lower limit
    member.commands.commit()
    ours.turn(lambda: member.commands._metadata_bytes == 3000)
    member.commands.commit(wait=True)
    assert ours.committed(0) == 1


def test_what_cannot_be_read_is_passed_over_and_named(mock: tuple[MockCluster, Group]) -> None:
    """A batch that cannot be unpacked: two places that are named, and the records around it."""
    _, ours = mock
    ours.write(0, 1)
    append_batch(ours.bootstrap, ours.topic, b"no snappy", records=2, attributes=2)
    ours.write(0, 1, first=1)
    member = ours.join()
    member.finishes_on_revoke = False
    ours.turn(lambda: len(member.read) == 2)
    assert member.read == [(0, 0), (0, 3)]
    assert [ticket.origin for ticket, _ in member.commands.unreadable] == [
        Origin(ours.topic, 0, 1),
        Origin(ours.topic, 0, 2),
    ]
    assert "ecompress" in member.commands.unreadable[0][1]
    member.finish(0, 0, 1, 2, 3)
    member.commands.commit(wait=True)
    assert ours.committed(0) == 4
