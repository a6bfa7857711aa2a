"""What a sink process counts, as it goes up the pipe."""

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import SEND_BUCKETS
from ingest.metrics.meter import Histogram, Meter
from ingest.sink.instrumentation import SinkMeasures


def worker() -> Any:
    seconds = Histogram(SEND_BUCKETS)
    seconds.observe(0.02, 3)
    return SimpleNamespace(
        worker="1",
        counts=Counter(sent=5, dead_letter=2, tombstone=1, retried=4, possible_repeat=3),
        dead_letters=SimpleNamespace(written=Counter(malformed=1, expired=1)),
        throttled=7,
        sender=SimpleNamespace(in_flight=11),
        budget=SimpleNamespace(rate=829.2),
        commands=SimpleNamespace(lag=13),
        seconds=seconds,
        shares=SimpleNamespace(take=lambda: {"hub": 0.25, "c2d_limit": 0.75}),
    )


def test_each_metric_of_the_sink_has_its_worker_and_its_value() -> None:
    meter = Meter()
    SinkMeasures(worker())(meter)
    values = {(name, labels): value for name, labels, value in meter.changes()}
    histogram, total = cast(tuple[list[int], float], values.pop((m.SINK_SEND_SECONDS.name, ("1",))))
    assert (sum(histogram), round(total, 6)) == (3, 0.06)
    assert values == {
        ("sink_commands_total", ("1", "sent")): 5,
        ("sink_commands_total", ("1", "dead_letter")): 2,
        ("sink_commands_total", ("1", "tombstone")): 1,
        ("sink_commands_total", ("1", "retried")): 4,
        ("sink_commands_total", ("1", "possible_repeat")): 3,
        ("sink_dead_letters_total", ("1", "malformed")): 1,
        ("sink_dead_letters_total", ("1", "expired")): 1,
        ("sink_throttled_total", ("1",)): 7,
        ("sink_in_flight", ("1",)): 11,
        ("sink_rate_limit_per_second", ("1",)): 829.2,
        ("sink_lag_records", ("1",)): 13,
        ("bottleneck", ("sink", "1", "hub")): 0.25,
        ("bottleneck", ("sink", "1", "c2d_limit")): 0.75,
    }


def test_only_what_changed_goes_up_again() -> None:
    meter = Meter()
    counted = worker()
    measures = SinkMeasures(counted)
    measures(meter)
    meter.sent()
    counted.counts["sent"] += 2
    counted.sender.in_flight = 0
    measures(meter)
    assert sorted(meter.changes()) == [("sink_commands_total", ("1", "sent"), 2), ("sink_in_flight", ("1",), 0)]
