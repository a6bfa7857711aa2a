"""What a partition process tells of its position, as it goes up the pipe."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.hub.position import Position
from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import COMMIT_BUCKETS, DELIVERY_BUCKETS
from ingest.metrics.meter import Histogram, Meter
from ingest.source.checkpoints import Checkpoint
from ingest.source.instrumentation import SourceMeasures, TransactionMeasures

NOW = 1_700_000_000.0


def partition(*, last: Position | None = None) -> Any:
    return SimpleNamespace(
        partition="3",
        stalls=0,
        receiver=SimpleNamespace(
            events=0,
            bytes=0,
            gaps=0,
            duplicates=0,
            reconnects={},
            last=last,
            last_enqueued_ms=None,
            attached=True,
        ),
        delivery=SimpleNamespace(
            acked=0,
            seconds=Histogram(DELIVERY_BUCKETS),
            errors={},
            held_back={"refused": False},
            dead_lettered={},
            pool=SimpleNamespace(
                in_flight=0,
                in_flight_bytes=0,
                health=SimpleNamespace(
                    statistics=SimpleNamespace(retries=0, request_p50_seconds=None, request_p99_seconds=None)
                ),
            ),
        ),
        transport=SimpleNamespace(name="fast", newest=None, credit=300),
        decoder="compiled",
        question=SimpleNamespace(newest=None),
        writer=SimpleNamespace(failures=0, last_written=None),
        shares=SimpleNamespace(take=lambda: {"hub": 0.25, "idle": 0.75}),
    )


def values(measures: SourceMeasures) -> dict[str, object]:
    meter = Meter()
    measures(meter)
    return {name: value for name, _, value in meter.changes()}


def received(process: Any, count: int, sequence_number: int, enqueued: float) -> None:
    process.receiver.events += count
    process.receiver.last = Position(str(sequence_number), sequence_number)
    process.receiver.last_enqueued_ms = int(enqueued * 1000)


def test_what_a_kill_would_repeat_is_what_came_after_the_last_checkpoint() -> None:
    process = partition(last=Position("99", 99))
    measures = SourceMeasures(process, 1, clock=lambda: NOW)
    assert values(measures)["source_replay_events"] == 0
    received(process, 50, 149, NOW)
    assert values(measures)["source_replay_events"] == 50, "the checkpoint of the start is the one to go back to"
    process.writer.last_written = Checkpoint("3", "139", 139, NOW)
    assert values(measures)["source_replay_events"] == 10


def test_without_any_checkpoint_all_would_be_repeated() -> None:
    process = partition()
    measures = SourceMeasures(process, 1, clock=lambda: NOW)
    received(process, 50, 1049, NOW)
    assert values(measures)["source_replay_events"] == 50


def test_numbers_that_are_missing_cannot_be_repeated() -> None:
    process = partition(last=Position("99", 99))
    measures = SourceMeasures(process, 1, clock=lambda: NOW)
    received(process, 5, 5000, NOW)
    assert values(measures)["source_replay_events"] == 5


def test_a_hub_that_numbers_anew_repeats_all_of_this_life() -> None:
    process = partition(last=Position("5000", 5000))
    measures = SourceMeasures(process, 1, clock=lambda: NOW)
    received(process, 20, 19, NOW)
    assert values(measures)["source_replay_events"] == 20


def test_nothing_is_said_of_data_loss_before_the_first_news_of_the_hub() -> None:
    assert "source_seconds_until_data_loss" not in values(SourceMeasures(partition(), 1, clock=lambda: NOW))


def test_an_empty_partition_loses_nothing() -> None:
    process = partition()
    process.question.newest = -1
    assert values(SourceMeasures(process, 1, clock=lambda: NOW))["source_seconds_until_data_loss"] == math.inf


def test_who_is_caught_up_loses_nothing() -> None:
    process = partition()
    received(process, 10, 9, NOW - 7200)
    process.transport.newest = 9
    assert values(SourceMeasures(process, 1, clock=lambda: NOW))["source_seconds_until_data_loss"] == math.inf


@pytest.mark.parametrize("days", [1, 7])
def test_who_is_behind_and_stands_still_has_the_rest_of_the_retention(days: int) -> None:
    process, now = partition(), NOW
    measures = SourceMeasures(process, days, clock=lambda: now)
    received(process, 10, 9, NOW - 7200)
    process.transport.newest = 5000
    values(measures)
    now += 30
    found = values(measures)
    assert found["source_seconds_until_data_loss"] == pytest.approx(days * 86_400 - 7230)
    assert (found["source_lag_events"], found["source_lag_seconds"]) == (4991, 7230)


def test_a_link_that_is_down_is_not_caught_up() -> None:
    process, now = partition(), NOW
    measures = SourceMeasures(process, 1, clock=lambda: now)
    received(process, 10, 9, NOW - 1)
    process.transport.newest = 9
    assert values(measures)["source_seconds_until_data_loss"] == math.inf
    process.receiver.attached = False
    now += 600
    found = values(measures)["source_seconds_until_data_loss"]
    assert found == pytest.approx(86_400 - 600)


def test_a_link_that_is_down_is_not_caught_up_without_any_event_either() -> None:
    process, now = partition(), NOW
    process.question.newest = -1
    measures = SourceMeasures(process, 1, clock=lambda: now)
    assert values(measures)["source_seconds_until_data_loss"] == math.inf
    process.receiver.attached = False
    now += 600
    assert values(measures)["source_seconds_until_data_loss"] == pytest.approx(86_400 - 600)


def test_the_transport_and_the_shares_of_waiting_have_their_names() -> None:
    meter = Meter()
    SourceMeasures(partition(), 1, clock=lambda: NOW)(meter)
    found = {(name, labels): value for name, labels, value in meter.changes()}
    assert found["source_transport_info", ("3", "fast")] == 1
    assert found["source_decoder_info", ("3", "compiled")] == 1
    assert found["bottleneck", ("source", "3", "hub")] == 0.25
    assert found["bottleneck", ("source", "3", "idle")] == 0.75


def test_every_source_metric_that_counts_has_its_partition() -> None:
    names = set(values(SourceMeasures(partition(), 1, clock=lambda: NOW)))
    counting = {
        metric.name
        for metric in m.METRICS
        if metric.name.startswith("source_") and metric.kind != "gauge" and not metric.known
    }
    assert counting - names == {"source_commit_seconds"}, "which only exactly once has"
    delivery: Any = SimpleNamespace(transactions={"committed": 3}, commit_seconds=Histogram(COMMIT_BUCKETS))
    meter = Meter()
    TransactionMeasures(delivery, "3")(meter)
    assert {name for name, _, _ in meter.changes()} == {"source_transactions_total", "source_commit_seconds"}
