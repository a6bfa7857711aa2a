"""Who reads a partition, looked at without taking it."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.config import Config, Hub, Secret, Source
from ingest.doctor.readers import judge_readers
from ingest.emulator import Emulator
from ingest.hub import event_hubs
from ingest.hub.partition_look import Attempt, try_to_read

BEGAN_MS = 1_795_377_781_818


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=2) as made:
        yield made


@pytest.fixture
def config(emulator: Emulator) -> Config:
    return Config(hub=Hub(event_hub_connection_string=Secret(emulator.endpoints.event_hub_connection_string)))


def judged(*attempts: Attempt, partitions: int = 2, here: bool = False) -> tuple[str, str, str]:
    verdict = judge_readers("$Default", attempts, partitions, ingest_runs_here=here)
    return verdict.result, verdict.seen, verdict.fix


def test_free_partitions_are_left_free(emulator: Emulator, config: Config) -> None:
    emulator.send("device", b"1")
    assert try_to_read(config, ["0", "1"]) == [Attempt("0", ""), Attempt("1", "")]
    stats = emulator.wait_for(lambda stats: stats.connections == 0, 60)
    assert [len(partition.receivers) for partition in stats.partitions.values()] == [0, 0]


def test_a_partition_that_is_taken_stays_its_readers(emulator: Emulator, config: Config) -> None:
    """A reader with the owner level of an ingest: when it began."""
    reader = event_hubs.client(config)

    def read() -> None:
        reader.receive_batch(lambda *_: None, partition_id="0", owner_level=BEGAN_MS, starting_position="-1")

    reading = threading.Thread(target=read)
    reading.start()
    try:
        emulator.wait_for(lambda stats: len(stats.partitions["0"].receivers) == 1, 60)
        taken, free = try_to_read(config, ["0", "1"])
        assert (taken.reason, free.reason) == ("stolen", "")
        result, seen, _ = judged(taken, free)
        assert result == "warn"
        assert "partition 0 taken by an ingest that began at 2026-11-22T20:03:01Z" in seen
        partition = emulator.stats().partitions["0"]
        assert [receiver.epoch for receiver in partition.receivers] == [BEGAN_MS]
        assert partition.attaches - partition.refused == 1, "the reader had to attach again"
    finally:
        reader.close()
        reading.join(60)


def test_an_unknown_consumer_group(config: Config) -> None:
    nobody = replace(config, source=Source(consumer_group="nobody"))
    (attempt,) = try_to_read(nobody, ["0"])
    verdict = judge_readers("nobody", [attempt], 1, ingest_runs_here=False)
    assert verdict.result == "fail"
    assert "nobody does not exist" in verdict.seen
    assert "source.consumer_group" in verdict.fix


def test_a_group_with_its_five_readers(emulator: Emulator, config: Config) -> None:
    emulator.faults.refuse_attach("amqp:resource-limit-exceeded", "Exceeded the maximum number of allowed receivers")
    result, seen, fix = judged(*try_to_read(config, ["0"]), partitions=1)
    assert result == "warn"
    assert "5 others read partition 0" in seen
    assert "source.consumer_group" in fix


def test_a_policy_that_may_not_read() -> None:
    result, _, fix = judged(Attempt("0", "unauthorized", "amqp:unauthorized-access: 'Listen' claim"))
    assert result == "fail"
    assert "service connect" in fix


def test_an_ingest_that_runs_here_is_no_surprise() -> None:
    words = f"At least one receiver for the endpoint is created with epoch of '{BEGAN_MS}', and so"
    result, seen, fix = judged(Attempt("0", "stolen", words), Attempt("1", "stolen", words), here=True)
    assert (result, fix) == ("ok", "")
    assert "partitions 0, 1 taken by an ingest that began at 2026-11-22T20:03:01Z" in seen


@pytest.mark.parametrize(
    ("words", "holder"),
    [
        ("Receiver 'nil' with a higher epoch '7' already exists.", "owner level 7"),
        ("created with epoch of '0', and so", "an Event Hubs processor, or an ingest that shares partitions"),
        ("created with epoch of '99999999999999999999', and", "owner level 99999999999999999999"),
        ("New words of the hub.", "another reader with an owner level"),
    ],
)
def test_other_holders(words: str, holder: str) -> None:
    assert holder in judged(Attempt("0", "stolen", words))[1]


def test_a_hub_that_says_nothing_and_a_sample() -> None:
    assert judged(Attempt("0", "silent"))[:2] == ("warn", "$Default: partition 0: the hub did not answer in time")
    assert "looked at 2 of 32 partitions" in judged(Attempt("0", ""), Attempt("1", ""), partitions=32)[1]
