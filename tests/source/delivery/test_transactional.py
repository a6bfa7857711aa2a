"""Exactly once: whatever is refused, killed or away, each event is committed once and in order, with its position."""

import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.config import Cluster
from ingest.errors import Displaced, RestartRequired
from ingest.hub.position import BEFORE_FIRST
from ingest.source.delivery import ready, transaction
from ingest.source.delivery.transactional import COMMIT_SECONDS, HAND_OVER_SECONDS
from ingest.source.events.batch import Batch
from ingest.source.formats import FORMATS
from ingest.timing import Deadline
from tests.source.delivery.refusing_kafka import BAD
from tests.source.delivery.rig import ToyFormat, stream_of
from tests.source.delivery.transactions_rig import POSITIONS, STEP_SECONDS, Rig, TransactionalKafka, at, check
from tests.source.sample_events import make_event

GOOD = b""


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "toy", ToyFormat)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event waits for others."""
    monkeypatch.setattr(ready, "PLENTY_EVENTS", 1)


@settings(max_examples=60)
@given(
    plan=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([GOOD] * 20 + [BAD, b"encoder", b"undeliverable", b"client"])),
        min_size=1,
        max_size=250,
    ),
    seed=st.integers(0, 2**32),
    kills=st.sampled_from([0, 0.02, 0.1]),
    doubts=st.sampled_from([0, 0.03]),
    names=st.booleans(),
    room=st.sampled_from([3, 40, 1_000]),
    plenty=st.sampled_from([1, 60, 1_000]),
)
def test_every_event_is_committed_once_through_refusals_kills_and_doubts(
    plan: list[tuple[int, bytes]], seed: int, kills: float, doubts: float, names: bool, room: int, plenty: int
) -> None:
    stream = stream_of(plan)
    rig = Rig(TransactionalKafka(seed, names_culprits=names), seed, room=room)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready, "PLENTY_EVENTS", plenty)
        rig.run(stream, batch=17, kills=kills, doubts=doubts)
    check(rig, stream)


def test_a_transaction_is_committed_after_its_time_and_none_is_empty() -> None:
    rig = Rig(TransactionalKafka(1))
    for _ in range(100):
        rig.poll()
    assert not rig.kafka.commits
    assert rig.delivery.idle
    assert rig.delivery.event_wait is None
    begun = rig.now
    rig.give(stream_of([(1, GOOD)] * 3))
    assert not rig.delivery.idle
    rig.poll()
    assert 0 < (rig.delivery.event_wait or 0) <= 0.5
    rig.settle()
    assert rig.kafka.commits == 1
    assert 0.5 <= rig.now - begun < 1
    assert rig.delivery.acked == 3
    assert rig.delivery.transactions == {"committed": 1}
    assert rig.delivery.commit_seconds.counts != [0] * len(rig.delivery.commit_seconds.counts)


def test_few_events_wait_for_their_time_and_go_with_their_position_in_one_step() -> None:
    rig = Rig(TransactionalKafka(1))
    begun = rig.now
    for event in stream_of([(1, GOOD)] * 4):
        rig.give([event])
        rig.poll()
    assert not rig.pool.begun
    assert rig.delivery.sends_in == rig.delivery.event_wait == pytest.approx(begun + 0.5 - rig.now)
    while not rig.pool.begun:
        rig.poll()
    assert 0.5 <= rig.now - begun < 1
    assert rig.pool.queued_topics == ["iotin"] * 4 + [POSITIONS]
    rig.settle()
    assert rig.delivery.transactions == {"committed": 1}
    assert rig.delivery.position == at(3)


@pytest.mark.parametrize(("name", "most"), [("PLENTY_EVENTS", 40), ("PLENTY_BYTES", 60)])
def test_many_events_wait_for_nothing(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, name, most)
    rig = Rig(TransactionalKafka(1))
    rig.give(stream_of([(1, GOOD)] * 100))
    assert rig.pool.begun
    assert rig.delivery.sends_in == 0


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("name", "most"), [("MOST_EVENTS", 100), ("MOST_BYTES", 150)])
def test_many_events_are_committed_sooner(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, name, most)
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 1_000)
    rig.run(stream)
    check(rig, stream)
    assert rig.kafka.commits >= 8


@pytest.mark.usefixtures("at_once")
def test_at_the_end_nothing_waits_for_its_time() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.give(stream_of([(1, GOOD)] * 3))
    rig.delivery.close()
    for _ in range(20):
        rig.delivery.poll(0)  # no time passes
    assert rig.delivery.idle
    assert rig.delivery.position == at(2)


def test_an_end_waits_for_no_transaction_that_has_not_begun() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 3)
    rig.give(stream)
    rig.delivery.close()
    assert rig.delivery.idle
    assert (rig.kafka.commits, rig.kafka.aborts) == (0, 0)
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_what_kafka_was_not_given_at_the_end_is_left_to_the_next_process() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 100)
    rig.give(stream[:50])
    rig.give(stream[50:])
    rig.delivery.close()
    rig.settle()
    assert rig.delivery.position == at(49)
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_an_end_is_not_held_up_by_records_that_kafka_does_not_take() -> None:
    """The next process would wait until Kafka has aborted their transaction, and so would consumers."""
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 50)
    rig.give(stream)
    rig.kafka.away = True
    rig.delivery.close()

    def time_passes() -> None:
        rig.now += STEP_SECONDS
        rig.kafka.away = rig.now < 1_000 + 2 * COMMIT_SECONDS

    assert rig.delivery.join(Deadline(60), while_waiting=time_passes)
    assert (rig.kafka.commits, rig.kafka.aborts) == (0, 1)
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("asked", [False, True])
def test_a_node_that_hands_over_leaves_the_end_of_its_transaction_to_the_next(asked: bool) -> None:
    """`asked`: whether Kafka was asked to commit, and does, but has not said so."""
    rig = Rig(TransactionalKafka(1), cluster=Cluster(coordination="kafka"))
    stream = stream_of([(1, GOOD)] * 50)
    rig.give(stream)
    if asked:
        rig.now += 0.5
        rig.poll()
    rig.kafka.away = True
    closed = rig.now
    rig.delivery.close()

    def time_passes() -> None:
        rig.now += STEP_SECONDS

    assert rig.delivery.join(Deadline(60), while_waiting=time_passes)
    assert HAND_OVER_SECONDS <= rig.now - closed <= HAND_OVER_SECONDS + 2 * STEP_SECONDS
    assert rig.delivery.position is None
    rig.kafka.away = False
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_what_kafka_refuses_at_the_end_is_not_tried_again() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 9 + [(1, BAD)])
    rig.give(stream)
    rig.delivery.close()
    assert rig.delivery.join(Deadline(60), while_waiting=lambda: None)
    assert (rig.kafka.commits, rig.kafka.aborts) == (0, 1)
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_an_end_in_the_middle_of_tries_aborts_them() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 9 + [(1, BAD)] + [(1, GOOD)] * 20)
    rig.give(stream)
    while not rig.delivery._attempts.under_way:
        rig.step()
    rig.delivery.close()
    commits = rig.kafka.commits
    assert rig.delivery.join(Deadline(60), while_waiting=lambda: None)
    assert rig.kafka.commits == commits
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_while_no_broker_answers_nothing_more_is_taken_and_then_the_same_commit_succeeds() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 6_000)
    rig.give(stream[:1])
    rig.kafka.away = True
    sent = 1
    for _ in range(2_000):
        if rig.delivery.room:
            rig.give(stream[sent : sent + 100])
            sent += 100
        rig.poll()
    assert 4_000 <= sent <= 4_200, "back-pressure"
    assert rig.delivery.trouble is not None
    assert "committed nothing" in rig.delivery.trouble
    assert rig.delivery.position is None
    rig.kafka.away = False
    rig.settle()
    assert rig.delivery.trouble is None
    assert rig.kafka.aborts == 0
    check(rig, stream[:sent])


@pytest.mark.usefixtures("at_once")
def test_a_successor_ends_it_quietly_and_nothing_of_it_counts() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 20)
    zombie = rig.delivery
    zombie.send(Batch.of(stream[:10]))
    rig.start()
    with pytest.raises(Displaced):
        zombie.poll(0.1)
    rig.run(stream)
    check(rig, stream)


def test_a_cluster_that_refuses_everything_is_waited_for_and_nobody_is_blamed() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.kafka.failing = {0, 1, 2}
    stream = stream_of([(device, GOOD) for device in range(1, 9)] * 20)
    rig.give(stream)
    for _ in range(3_000):
        rig.step()
    assert rig.delivery.held_back["refused"]
    assert "refuses all records alike" in (rig.delivery.trouble or "")
    rig.kafka.failing = set()
    rig.settle()
    assert not rig.delivery.held_back["refused"]
    check(rig, stream)


def test_bad_records_of_many_devices_end_in_dead_letters_once_a_good_one_has_come() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(device, BAD) for device in range(1, 31)])
    rig.give(stream)
    while not rig.delivery.held_back["refused"]:
        rig.step()
    assert not rig.dead
    good = [make_event(30 + number, body=b"0", device_id=f"good-{number}") for number in range(3)]
    rig.give(good)
    began = rig.now
    rig.settle()
    check(rig, [*stream, *good])
    assert rig.now - began < 180


def test_a_bad_record_at_the_end_of_the_day_is_blamed_without_another_one() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD), (1, BAD)])
    rig.run(stream)
    check(rig, stream)
    assert rig.delivery.dead_lettered == {"invalid_record": 1}
    assert rig.delivery.acked == 1


def test_dead_letters_have_their_limit_in_a_minute() -> None:
    rig = Rig(TransactionalKafka(1), per_minute=2)
    stream = stream_of([(1, b"undeliverable")] * 4)
    rig.give(stream)
    began = rig.now
    while len(rig.dead) < 2 or not rig.delivery.held_back["dead_letter_limit"]:
        rig.step()
    assert "2 dead letters in a minute" in (rig.delivery.trouble or "")
    rig.settle()
    assert rig.now - began >= 60
    check(rig, stream)


def test_a_dead_letter_that_is_refused_goes_with_less_of_it() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.kafka.refuses_letters = 3
    stream = stream_of([(1, b"undeliverable"), (1, GOOD)])
    rig.run(stream)
    check(rig, stream)
    [(_, value, headers, _)] = rig.kafka.committed["iotin.dead"]
    assert value == b""
    assert dict(headers or ())["ingest-body-omitted"] == b"13"


def test_an_error_of_no_record_needs_a_new_process() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.kafka.failing, rig.kafka.failure = {0, 1, 2}, KafkaError.TOPIC_AUTHORIZATION_FAILED
    rig.give(stream_of([(1, GOOD)]))
    with pytest.raises(RestartRequired, match="TOPIC_AUTHORIZATION_FAILED"):
        rig.settle()


@pytest.mark.usefixtures("at_once")
def test_a_commit_that_fails_for_its_records_says_what_is_wrong_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(TransactionalKafka(1))
    rig.kafka.failing, rig.kafka.failure = {0, 1, 2}, KafkaError._UNKNOWN_TOPIC

    def commit(seconds: float) -> bool:
        rig.pool.flush(seconds)
        raise RestartRequired("Kafka transaction: _INCONSISTENT: 1 message(s) failed delivery")

    monkeypatch.setattr(rig.delivery.pool, "commit", commit)
    rig.give(stream_of([(1, GOOD)]))
    rig.delivery.close()
    with pytest.raises(RestartRequired, match=r"Kafka transaction: topic .*: _UNKNOWN_TOPIC"):
        rig.settle()


@pytest.mark.usefixtures("at_once")
def test_what_was_abandoned_is_aborted_and_what_comes_again_counts_once() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 30)
    rig.give(stream[:10])
    rig.poll()
    rig.delivery.abandon()
    rig.delivery.begin(None)
    rig.run(stream)
    check(rig, stream)
    assert rig.kafka.aborts == 1


@pytest.mark.usefixtures("at_once")
def test_what_kafka_refuses_is_asked_for_again_and_nothing_of_it_is_kept() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 20 + [(2, BAD)] + [(1, GOOD)] * 4_000)
    rig.give(stream[:10])
    rig.settle()
    rig.give(stream[10:])
    while not rig.delivery.rewinds:
        rig.poll()
    assert rig.delivery.position == at(9)
    assert not rig.pool.in_flight
    assert not rig.delivery.idle
    rig.settle()
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_an_end_does_not_wait_for_what_was_to_come_again() -> None:
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD), (1, BAD)])
    rig.give(stream)
    while not rig.delivery.rewinds:
        rig.poll()
    rig.delivery.close()
    assert rig.delivery.idle
    rig.kill()
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("doubted", [False, True])
def test_what_comes_again_of_another_numbering_begins_with_its_first(doubted: bool) -> None:
    """`doubted`: another process can have had the partition meanwhile. The hub no longer has events of the old numbering."""
    rig = Rig(TransactionalKafka(1))
    rig.delivery.send(Batch.of([make_event(98, body=b"0", device_id="dev-1")]))
    rig.settle()
    rig.delivery.send(Batch.of([make_event(99, body=b"1", device_id="dev-1")]))
    rig.delivery.restart(BEFORE_FIRST)
    rig.delivery.send(Batch.of([make_event(0, body=GOOD if doubted else BAD, device_id="dev-1")]))
    if doubted:
        rig.delivery.abandon()
    while not (doubted or rig.delivery.rewinds):
        rig.poll()
    assert rig.delivery.position == BEFORE_FIRST


@pytest.mark.usefixtures("at_once")
def test_a_commit_that_is_not_answered_leaves_the_position_unknown() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.give(stream_of([(1, GOOD)] * 10))
    rig.delivery.close()
    rig.kafka.away = True
    rig.poll()
    rig.delivery.abandon()
    with pytest.raises(RestartRequired, match="whether the last transaction counts is unknown"):
        rig.delivery.begin(None)


def test_a_commit_that_fails_after_all_is_not_tried_again_once_it_is_abandoned() -> None:
    """Its events come again from the hub."""
    rig = Rig(TransactionalKafka(1))
    stream = stream_of([(1, GOOD)] * 9 + [(1, BAD)])
    rig.give(stream)
    rig.now += 1  # it is due
    rig.kafka.away = True
    rig.poll()
    rig.delivery.abandon()
    rig.kafka.away = False
    rig.settle()
    assert rig.kafka.aborts == 1
    assert rig.delivery.position is None
    rig.delivery.begin(None)
    rig.run(stream)
    check(rig, stream)


@pytest.mark.usefixtures("at_once")
def test_an_abort_that_never_ends_needs_a_new_process() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.give(stream_of([(1, GOOD)]))
    rig.delivery.abandon()
    rig.kafka.away = True
    with pytest.raises(RestartRequired, match="has not aborted a transaction"):
        rig.settle()


def test_another_numbering_has_its_place_between_the_events() -> None:
    rig = Rig(TransactionalKafka(1))
    rig.give([make_event(99, body=b"0", device_id="dev-1")])
    rig.delivery.restart(BEFORE_FIRST)
    rig.settle()
    assert [value for _, value, _, _ in rig.kafka.committed[POSITIONS]] == [b"-1"]
    assert rig.delivery.position == BEFORE_FIRST
    rig.give([make_event(0, body=b"1", device_id="dev-1")])
    rig.settle()
    assert rig.delivery.position == at(0)
