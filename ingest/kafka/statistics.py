"""librdkafka's statistics (its STATISTICS.md), reduced to what is exported. Pure: JSON in, plain numbers out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

SILENCE_SECONDS = 10.0
"""A broker that owes an answer for this long and sends nothing is silent; a fetch is answered every half second."""
_LOGICAL_BROKER = -1
"""Node id of bootstrap and group coordinator entries, which are not brokers of their own."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What one producer said last."""

    handle: str
    """librdkafka's name of the handle, unique in this process: distinguishes a new producer from the previous one."""
    brokers_up: int
    queue_messages: int
    queue_bytes: int
    counters: Mapping[tuple[str, str], int]
    """(broker or partition, counter) → highest value since the handle was made."""
    taken_at: float
    """By librdkafka's own clock, in seconds."""
    owing: Mapping[str, tuple[int, float]]
    """Broker that owes answers → responses sent so far, and since when it has sent no more."""
    p50_seconds: float | None
    p99_seconds: float | None
    throttle_seconds: float


class KafkaStatistics:
    """Sums and worst cases over the producers of one process. Plain numbers, which any thread can read.

    The counters (`retries`, `transmit_errors`, `timeouts`) only grow: they add up differences, so a recreated producer,
    which counts from 0, subtracts nothing.
    """

    def __init__(self) -> None:
        self._reports: dict[int, _Report] = {}
        self.retries = 0
        """Records sent again. Late while a queue never empties: see `_resent`."""
        self.transmit_errors = 0
        """Requests that could not be sent."""
        self.timeouts = 0
        """Requests that were sent and not answered in time."""

    def update(self, statistics: str | bytes, *, producer: int) -> None:
        """Takes in one `stats_cb` document of the producer at this place of the pool. Raises ValueError if not JSON."""
        report = _parsed(orjson.loads(statistics))
        before = self._reports.get(producer)
        known = before.counters if before is not None and before.handle == report.handle else {}
        highest = dict(known)
        for key, value in report.counters.items():
            grown = max(0, value - known.get(key, 0))
            highest[key] = known.get(key, 0) + grown
            match key[1]:
                case "resent":
                    self.retries += grown
                case "txerrs":
                    self.transmit_errors += grown
                case _:
                    self.timeouts += grown
        owed = before.owing if before is not None and before.handle == report.handle else {}
        owing = {
            broker: owed[broker] if owed.get(broker, (-1,))[0] == now[0] else now
            for broker, now in report.owing.items()
        }
        # A new dict, so that a reader in another thread never sees one that changes.
        self._reports = {**self._reports, producer: replace(report, counters=highest, owing=owing)}

    @property
    def silence(self) -> str | None:
        """Which broker does not answer though its connection seems up, in words; None while all answer."""
        for report in self._reports.values():
            for broker, (_, since) in report.owing.items():
                if report.taken_at - since >= SILENCE_SECONDS:
                    return f"{broker} has answered nothing for more than {SILENCE_SECONDS:g} s"
        return None

    @property
    def brokers_up(self) -> int:
        """Connections to brokers that are up; brokers that were sent nothing yet have none."""
        return sum(report.brokers_up for report in self._reports.values())

    @property
    def queue_messages(self) -> int:
        """Records waiting or in flight."""
        return sum(report.queue_messages for report in self._reports.values())

    @property
    def queue_bytes(self) -> int:
        return sum(report.queue_bytes for report in self._reports.values())

    @property
    def request_p50_seconds(self) -> float | None:
        """Median round trip of the slowest broker in the last interval; None if nothing was asked."""
        return _worst([report.p50_seconds for report in self._reports.values()])

    @property
    def request_p99_seconds(self) -> float | None:
        """99th percentile of the round trip of the slowest broker in the last interval; None if nothing was asked."""
        return _worst([report.p99_seconds for report in self._reports.values()])

    @property
    def throttle_seconds(self) -> float:
        """Longest time in the last interval for which a broker's quota held a request back."""
        return max((report.throttle_seconds for report in self._reports.values()), default=0.0)


def _parsed(document: Mapping[str, Any]) -> _Report:
    brokers = {name: broker for name, broker in document["brokers"].items() if broker["nodeid"] != _LOGICAL_BROKER}
    return _Report(
        handle=document["name"],
        brokers_up=sum(broker["state"] == "UP" for broker in brokers.values()),
        taken_at=(taken_at := document.get("ts", 0) / 1e6),
        owing=_owing(brokers, taken_at),
        queue_messages=document["msg_cnt"],
        queue_bytes=document["msg_size"],
        counters=_resent(document["topics"])
        | {
            (name, counter): broker[counter]
            for name, broker in brokers.items()
            for counter in ("txerrs", "req_timeouts")
        },
        # Round trips are in microseconds, throttling in milliseconds. A window without requests is all zeros.
        p50_seconds=_worst([broker["rtt"]["p50"] / 1e6 for broker in brokers.values() if broker["rtt"]["cnt"]]),
        p99_seconds=_worst([broker["rtt"]["p99"] / 1e6 for broker in brokers.values() if broker["rtt"]["cnt"]]),
        throttle_seconds=max((broker["throttle"]["max"] / 1e3 for broker in brokers.values()), default=0.0),
    )


def _resent(topics: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Returns records transmitted beyond those handed in, per partition: each was sent again.

    Each record still queued hides one, so this is a lower bound that becomes exact once the queue is empty. The
    brokers' `txretries` does not help: it leaves out produce requests, whose records go back to the queue.
    """
    return {
        (f"{name}/{partition}", "resent"): max(0, figures["txmsgs"] - figures["msgs"])
        for name, topic in topics.items()
        for partition, figures in topic["partitions"].items()
    }


def _owing(brokers: Mapping[str, Any], now: float) -> dict[str, tuple[int, float]]:
    """Returns only brokers whose connection is up: a lost connection is known, and reported elsewhere. A group's
    coordinator is left out with the logical ones: it can keep a member waiting for as long as a rebalance takes."""
    return {
        name: (broker["rx"], now)
        for name, broker in brokers.items()
        if broker["state"] == "UP" and broker.get("waitresp_cnt", 0) > 0
    }


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
