"""librdkafka's statistics: counters survive a producer made again, gauges are of now."""

import json
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.statistics import KafkaStatistics
from ingest.timing import Deadline


def broker(node: int, *, rtt: tuple[int, int] | None = None, **fields: Any) -> dict[str, Any]:
    """`rtt`: median and 99th percentile in microseconds."""
    p50, p99 = rtt or (0, 0)
    return {
        "nodeid": node,
        "state": "UP",
        "txerrs": 0,
        "req_timeouts": 0,
        "rtt": {"p50": p50, "p99": p99, "cnt": 1 if rtt else 0},
        "throttle": {"max": 0},
    } | fields


def report(
    handle: str,
    brokers: dict[str, dict[str, Any]] | None = None,
    *,
    messages: int = 0,
    size: int = 0,
    partitions: dict[str, tuple[int, int]] | None = None,
    seconds: float = 0.0,
) -> str:
    """`partitions`: records handed in and records transmitted. `seconds`: by librdkafka's clock."""
    figures = {name: {"msgs": handed, "txmsgs": sent} for name, (handed, sent) in (partitions or {}).items()}
    topics = {"t": {"partitions": figures}}
    return json.dumps(
        {
            "name": handle,
            "ts": round(seconds * 1e6),
            "msg_cnt": messages,
            "msg_size": size,
            "brokers": brokers or {},
            "topics": topics,
        }
    )


def test_before_the_first_report() -> None:
    statistics = KafkaStatistics()
    assert (statistics.queue_messages, statistics.queue_bytes, statistics.retries, statistics.brokers_up) == (
        0,
        0,
        0,
        0,
    )
    assert statistics.request_p50_seconds is None
    assert statistics.throttle_seconds == 0


def test_counters_grow_by_differences() -> None:
    statistics = KafkaStatistics()
    for errors in (2, 2, 7):
        statistics.update(report("a", {"b1": broker(1, txerrs=errors, req_timeouts=3)}), producer=0)
    assert (statistics.transmit_errors, statistics.timeouts) == (7, 3)


def test_counters_survive_a_producer_that_is_made_again() -> None:
    statistics = KafkaStatistics()
    statistics.update(report("first", {"b1": broker(1, txerrs=5)}), producer=0)
    # More than before in its very first report: still all new.
    statistics.update(report("second", {"b1": broker(1, txerrs=8)}), producer=0)
    assert statistics.transmit_errors == 13


def test_counters_survive_a_broker_that_leaves() -> None:
    statistics = KafkaStatistics()
    statistics.update(report("a", {"b1": broker(1, txerrs=5), "b2": broker(2, txerrs=4)}), producer=0)
    statistics.update(report("a", {"b2": broker(2, txerrs=6)}), producer=0)
    assert statistics.transmit_errors == 11


def test_records_sent_again() -> None:
    statistics = KafkaStatistics()
    # Partition -1 holds records for a moment and hands them on.
    for partitions, resent in (
        ({"0": (10, 10), "-1": (5, 0)}, 0),
        ({"0": (10, 13), "1": (7, 8)}, 4),
        ({"0": (20, 13), "1": (7, 8)}, 4),
        ({"0": (20, 25), "1": (7, 8)}, 6),
    ):
        statistics.update(report("a", partitions=partitions), producer=0)
        assert statistics.retries == resent


def test_gauges_of_several_producers() -> None:
    statistics = KafkaStatistics()
    fast, slow = broker(1, rtt=(1_000, 20_000)), broker(2, rtt=(3_000, 10_000), throttle={"max": 250})
    statistics.update(report("a", {"b1": fast, "b2": slow}, messages=3, size=300), producer=0)
    statistics.update(report("b", {"b1": broker(1, state="DOWN")}, messages=4, size=50), producer=1)
    assert (statistics.queue_messages, statistics.queue_bytes) == (7, 350)
    assert statistics.request_p50_seconds == pytest.approx(0.003)
    assert statistics.request_p99_seconds == pytest.approx(0.020)
    assert statistics.throttle_seconds == pytest.approx(0.25)
    assert statistics.brokers_up == 2
    statistics.update(report("a", {"b1": broker(1)}), producer=0)
    assert (statistics.queue_messages, statistics.queue_bytes) == (4, 50)
    assert statistics.request_p99_seconds is None, "no request in this interval: no figure, rather than zero"


def test_logical_brokers_are_left_out() -> None:
    statistics = KafkaStatistics()
    bootstrap = broker(-1, txerrs=9, rtt=(5, 5), throttle={"max": 9})
    statistics.update(report("a", {"h:1/bootstrap": bootstrap}), producer=0)
    assert (statistics.transmit_errors, statistics.throttle_seconds, statistics.brokers_up) == (0, 0, 0)
    assert statistics.request_p50_seconds is None


def test_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="unexpected end"):
        KafkaStatistics().update("{", producer=0)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 10), st.integers(0, 10)), max_size=40))
def test_totals_are_the_sum_of_what_every_handle_counted(steps: list[tuple[int, bool, int, int]]) -> None:
    """Steps: place in the pool, made again?, further errors, further records sent again."""
    statistics = KafkaStatistics()
    made, errors, resent = [0] * 3, [0] * 3, [0] * 3
    all_errors = all_resent = 0
    for producer, again, further_errors, further_resent in steps:
        if again:
            made[producer] += 1
            errors[producer] = resent[producer] = 0
        errors[producer] += further_errors
        resent[producer] += further_resent
        all_errors += further_errors
        all_resent += further_resent
        text = report(
            f"producer-{producer}-{made[producer]}",
            {"b1": broker(1, txerrs=errors[producer])},
            partitions={"0": (100, 100 + resent[producer])},
        )
        statistics.update(text, producer=producer)
        assert (statistics.transmit_errors, statistics.retries) == (all_errors, all_resent)


def test_a_real_report() -> None:
    statistics = KafkaStatistics()
    with MockCluster() as cluster:
        cluster.create_topic("t", 1)
        producer = Producer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "statistics.interval.ms": 50,
                "stats_cb": lambda text: statistics.update(text, producer=0),
                "retry.backoff.ms": 10,
                "log_level": 0,
            }
        )
        cluster.push_errors(0, [19, 19])
        producer.produce("t", b"x")
        assert producer.flush(20) == 0
        deadline = Deadline(20)
        while statistics.retries < 2 and not deadline.expired:
            producer.poll(0.05)
        assert statistics.retries == 2
        cluster.set_rtt(1, 0.02)
        slowest = 0.0
        while slowest < 0.02 and not deadline.expired:
            producer.produce("t", b"x")
            producer.poll(0.05)
            slowest = statistics.request_p99_seconds or 0.0
        assert 0.02 <= slowest < 20
        assert statistics.brokers_up == 1
        assert producer.flush(20) == 0


def test_a_broker_that_owes_answers_and_sends_none_is_silent() -> None:
    statistics = KafkaStatistics()

    def told(seconds: float, responses: int, owed: int, **fields: Any) -> str | None:
        reported = broker(1, rx=responses, waitresp_cnt=owed, **fields)
        statistics.update(report("a", {"b1": reported}, seconds=seconds), producer=0)
        return statistics.silence

    assert told(0.0, 5, 0) is None, "nothing is owed by an idle broker"
    assert told(60.0, 5, 1) is None, "it was asked just now"
    assert told(65.0, 6, 1) is None, "it answers"
    assert told(74.0, 6, 1) is None
    assert told(76.0, 6, 2) == "b1 has answered nothing for more than 10 s"
    assert told(78.0, 6, 2, state="DOWN") is None, "a connection that is known to be none is no silent one"
    assert told(80.0, 6, 1) is None
    assert told(95.0, 7, 0) is None


def test_who_may_keep_a_member_waiting_is_not_silent() -> None:
    statistics = KafkaStatistics()
    for seconds in (0.0, 60.0):
        coordinator = broker(-1, rx=5, waitresp_cnt=1)
        statistics.update(report("a", {"GroupCoordinator": coordinator}, seconds=seconds), producer=0)
    assert statistics.silence is None
