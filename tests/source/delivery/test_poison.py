"""Streams of good and bad events, and a Kafka that refuses: every good event arrives in order, every bad one is a dead letter
with its reason, none is lost, and no process is replaced for it."""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.source.events.batch import Batch
from ingest.source.formats import FORMATS
from tests.source.delivery.refusing_kafka import BAD, RefusingKafka
from tests.source.delivery.rig import REASONS, Rig, ToyFormat, check, stream_of


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "toy", ToyFormat)


KINDS = st.sampled_from([b""] * 8 + [*REASONS])
PLANS = st.lists(st.tuples(st.integers(0, 6), KINDS), min_size=1, max_size=150)
CLUSTERS = st.builds(
    RefusingKafka,
    st.integers(0, 1 << 30),
    partitions=st.integers(1, 4),
    names_culprits=st.booleans(),
    batch_records=st.sampled_from([0, 1, 3, 20, 100]),
)
BURST = [(1, b"")] * 5 + [(1, BAD)] * 30 + [(2, b"")] + [(1, b"")] * 5
ONE_DEVICE = [(1, BAD)] * 19 + [(1, b"")] * 5
AT_THE_END = [(1, b"")] * 3 + [(1, BAD)] * 10
NOTHING_ELSE = [(1, BAD)]


def one_partition(*, names_culprits: bool = False) -> RefusingKafka:
    return RefusingKafka(1, partitions=1, names_culprits=names_culprits)


@given(plan=PLANS, kafka=CLUSTERS, batch=st.integers(1, 150), room=st.sampled_from([7, 1_000]))
@settings(max_examples=300, deadline=None)
def test_every_good_event_arrives_and_every_bad_one_is_a_dead_letter(
    plan: list[tuple[int, bytes]], kafka: RefusingKafka, batch: int, room: int
) -> None:
    rig = Rig(kafka, room=room)
    stream = stream_of([*plan, *((device, b"") for device in range(1, 7))])
    rig.run(stream, batch=batch)
    rig.settle()
    check(rig, stream)


def test_bad_records_of_many_devices_are_told_from_a_broken_cluster_by_what_it_took_before() -> None:
    """What came after them was taken with the first request, so that nothing else is left to compare them with."""
    kafka = RefusingKafka(0, partitions=1, names_culprits=False, batch_records=1)
    rig = Rig(kafka)
    stream = stream_of([*((device, BAD) for device in range(1, 7)), *((device, b"") for device in range(1, 7))])
    rig.run(stream)
    rig.settle()
    check(rig, stream)


@pytest.mark.parametrize("names_culprits", [True, False])
@pytest.mark.parametrize("plan", [BURST, ONE_DEVICE, AT_THE_END, NOTHING_ELSE])
def test_a_burst_of_bad_records_ends_in_dead_letters(plan: list[tuple[int, bytes]], names_culprits: bool) -> None:
    rig = Rig(one_partition(names_culprits=names_culprits))
    stream = stream_of(plan)
    rig.run(stream)
    rig.settle()
    assert check(rig, stream) == 0


def test_one_bad_record_costs_few_requests() -> None:
    plan = [(device, b"") for device in range(1, 9)] * 125
    plan[500] = (1, BAD)
    for names_culprits, most in ((True, 40), (False, 60)):
        rig = Rig(one_partition(names_culprits=names_culprits))
        stream = stream_of(plan)
        rig.run(stream, batch=1_000)
        rig.settle()
        assert check(rig, stream) == 0
        assert rig.kafka.requests < most, rig.kafka.requests


@given(
    devices=st.integers(1, 40),
    partitions=st.integers(1, 6),
    one=st.booleans(),
    seed=st.integers(0, 1 << 30),
    bad=st.sampled_from([0.0, 0.05]),
)
@settings(max_examples=60, deadline=None)
def test_a_cluster_that_refuses_everything_costs_no_dead_letter(
    devices: int, partitions: int, one: bool, seed: int, bad: float
) -> None:
    """`one`: of several partitions, one refuses everything."""
    rng = random.Random(seed)
    kafka = RefusingKafka(seed, partitions=partitions, names_culprits=False, batch_records=100)
    rig = Rig(kafka)
    stream = stream_of(
        [(rng.randint(1, devices), BAD if rng.random() < bad else b"") for _ in range(1_000)]
        + [(device, b"") for device in range(1, devices + 1)]
    )
    rig.run(stream[:100])
    rig.settle()
    kafka.failing = {kafka.partition_of(b"dev-1")} if one else set(range(partitions))
    before = dict(rig.dead)
    position = rig.delivery.position
    rest = deque(stream[start : start + 100] for start in range(100, len(stream), 100))
    for _ in range(1_000):
        if rest and rig.delivery.room:
            rig.delivery.send(Batch.of(rest.popleft()))
        rig.poll()
    assert rig.delivery.trouble is not None
    assert "timestamp" in rig.delivery.trouble
    told = {number: reason for number, reason in rig.dead.items() if number not in before}
    assert "invalid_timestamp" not in told.values()
    kafka.failing = set()
    while rest:
        rig.run(rest.popleft())
    rig.settle()
    assert rig.delivery.trouble is None
    assert rig.delivery.position != position
    check(rig, stream)
