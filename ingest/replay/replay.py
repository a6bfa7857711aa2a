"""Reads the events of a stretch of time from the hub again, and writes them to a topic, in the format of the configuration.

It reads beside the owners of the partitions and keeps no position: live positions stay as they are. A partition's events go
out in their order, and each group of them is acknowledged before the next.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from ingest.config import Config
from ingest.errors import Refused, Undeliverable, Unreachable
from ingest.hub import event_hubs
from ingest.hub.partition_ids import check_known
from ingest.hub.position import StartAt
from ingest.hub.standing import Standing
from ingest.kafka.admin import Topics
from ingest.kafka.client import settings
from ingest.kafka.dead_letters.restore import NOW
from ingest.kafka.outbox import OneByOne, Outbox
from ingest.kafka.producer import ProducerPool
from ingest.kafka.record_limit import max_record_bytes
from ingest.kafka.records import Record
from ingest.source.delivery.schema import schema_id
from ingest.source.events.received import Received
from ingest.source.hot_path import encoder_of
from ingest.source.receiving.beside import read_beside, since
from ingest.timing import Deadline

AT_ONCE: Final = 1_000
"""Events that wait for their acknowledgement together: the most that come again after a kill."""
ANSWER_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.2
_NO_TOPIC: Final = "name another with --topic, or create it with kafka-topics.sh --create"


class Plan(NamedTuple):
    topic: str
    from_ms: int
    """Unix milliseconds of the hub's times."""
    to_ms: int
    """The end, which is not in the stretch."""
    partitions: Sequence[str] = ()
    """None: all of the hub."""
    after: Mapping[str, int] = {}
    """Partition → the sequence number behind which it goes on."""
    rate: float | None = None
    """Events/s, at most."""


@dataclass(slots=True)
class Tally:
    """What has been done."""

    sent: Counter[str] = field(default_factory=Counter)
    """Events that Kafka has acknowledged, by partition."""
    reached: dict[str, int] = field(default_factory=dict)
    """Partition → the sequence number up to which all is sent or refused."""
    complete: set[str] = field(default_factory=set)
    """Partitions that are done."""
    gone: dict[str, int] = field(default_factory=dict)
    """Partition → the oldest event that the hub holds, where that is later than the begin of the stretch."""
    refused: Counter[str] = field(default_factory=Counter)
    """Events that no record can be made of, or that the topic does not take, by cause."""
    sentences: dict[str, str] = field(default_factory=dict)
    """The cause, for the first such event."""

    @property
    def total(self) -> int:
        return self.sent.total()


@dataclass(slots=True, eq=False)
class _Again:
    """One event on its way."""

    partition: str
    sequence_number: int
    record: Record


class Replay:
    """One run: `run` once, on one thread."""

    def __init__(
        self, config: Config, plan: Plan, tally: Tally, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`config` has its event hub; `tally` tells what was done, also when something raises. Asks Kafka for the topic: raises
        Refused or Unreachable."""
        self.tally = tally
        # A schema is registered for the topic that is written to.
        self._config = replace(config, source=replace(config.source, topic=plan.topic))
        self._plan = plan
        self._clock = clock
        self._next_at = clock()
        # First, as the question about its limit does not say why no broker answers.
        Topics(settings(config.kafka), create=_NO_TOPIC).describe(plan.topic, ANSWER_SECONDS)
        limit = max_record_bytes(config.kafka, plan.topic, ANSWER_SECONDS)
        self._pool = ProducerPool(config.kafka, client_id="ingest-replay", max_record_bytes=limit)
        self._records: OneByOne[_Again] = OneByOne()
        self._outbox = Outbox(
            self._pool,
            self._records,
            topic_of=lambda _: plan.topic,
            record=lambda again: again.record,
            acked=self._sent,
            give_up=self._give_up,
        )

    def run(self, progress: Callable[[Tally], None] = lambda _: None) -> None:
        """Calls `progress` a few times a second. Raises Refused or Unreachable; `tally.reached` says where to go on."""
        schema = schema_id(self._config)
        known = event_hubs.partition_ids(self._config)
        wanted = [each for each in known if not self._plan.partitions or each in self._plan.partitions]
        check_known({*self._plan.partitions, *self._plan.after}, known)
        standings = event_hubs.standings(self._config, wanted)
        self._pool.start()
        try:
            for partition in wanted:
                self._replay(partition, standings[partition], schema, progress)
        finally:
            self._pool.terminate()

    def _replay(
        self, partition: str, standing: Standing, schema: int | None, progress: Callable[[Tally], None]
    ) -> None:
        plan, source = self._plan, self._config.source
        after = plan.after.get(partition)
        start = since(plan.from_ms) if after is None else StartAt(after)
        encoder = encoder_of(source.format, partition, has_keys=source.has_keys, schema_id=schema)
        is_first = True
        if standing.newest_ms >= plan.from_ms and (after is None or standing.newest > after):
            for events in read_beside(
                self._config,
                partition,
                start,
                standing,
                until_ms=plan.to_ms,
                waiting=lambda: self._tend(progress),
            ):
                if is_first and events[0].sequence_number == standing.oldest > 0 and after is None:
                    self.tally.gone[partition] = standing.oldest
                is_first = False
                wanted = [event for event in events if plan.from_ms <= event.enqueued_ms < plan.to_ms]
                for begin in range(0, len(wanted), AT_ONCE):
                    self._send(partition, wanted[begin : begin + AT_ONCE], encoder.encode, progress)
        self.tally.complete.add(partition)

    def _send(
        self,
        partition: str,
        events: Sequence[Received],
        encode: Callable[[Received], Record],
        progress: Callable[[Tally], None],
    ) -> None:
        for event in events:
            self._pace(progress)
            try:
                record = encode(event)
            except Undeliverable as why:
                self._refuse(partition, event.sequence_number, why)
                continue
            self._records.add([_Again(partition, event.sequence_number, record)])
            self._outbox.poll()
        self._settle(progress)
        self.tally.reached[partition] = events[-1].sequence_number

    def _tend(self, progress: Callable[[Tally], None]) -> None:
        self._pool.poll(0)
        progress(self.tally)

    def _sent(self, again: _Again) -> None:
        self.tally.sent[again.partition] += 1

    def _give_up(self, again: _Again, why: Undeliverable, error: KafkaError | None) -> bool:
        key, value, headers, timestamp_ms = again.record
        if error is not None and error.code() == KafkaError.INVALID_TIMESTAMP and timestamp_ms != NOW:
            again.record = key, value, headers, NOW
            return False
        self._refuse(again.partition, again.sequence_number, why)
        return True

    def _refuse(self, partition: str, sequence_number: int, why: Undeliverable) -> None:
        self.tally.refused[why.reason] += 1
        where = f"event {sequence_number} of partition {partition}"
        self.tally.sentences.setdefault(why.reason, f"{where}: {why}")

    def _pace(self, progress: Callable[[Tally], None]) -> None:
        rate = self._plan.rate
        if rate is None:
            return
        while (wait := self._next_at - self._clock()) > 0:
            self._pool.poll(min(_POLL_SECONDS, wait))
            progress(self.tally)
        self._next_at = max(self._next_at, self._clock()) + 1 / rate

    def _settle(self, progress: Callable[[Tally], None]) -> None:
        """Waits until everything sent is acknowledged or refused, or ends the run."""
        complete = True
        while complete and len(self._outbox) and self._outbox.fault is None:
            complete = self._pool.join(Deadline(ANSWER_SECONDS), while_waiting=lambda: progress(self.tally))
            self._outbox.poll()
        progress(self.tally)
        if self._outbox.fault is not None:
            raise Refused(f"Kafka refuses the records: topic {self._plan.topic}: {self._outbox.fault.str()}")
        if not complete:
            raise Unreachable(f"Kafka has not acknowledged {self._pool.in_flight} records in {ANSWER_SECONDS:g} s")
