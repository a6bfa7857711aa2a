"""The feedback process: what became of each command, from the hub to `sink.feedback_topic`.

A feedback message is accepted only once Kafka has acknowledged all its records, so that none is lost; what the topic
already has is not written again (`feedback_seen`). One thread runs the loop below; librdkafka has its own.
"""

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import KafkaError

from ingest.config import Config
from ingest.errors import ConfigError, Problem, Undeliverable
from ingest.hub.network.route import iot_hub_route
from ingest.kafka.dead_letters.record import dead_letter
from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.kafka.errors import throttled
from ingest.kafka.outbox import OneByOne, Outbox
from ingest.kafka.producer import ProducerPool
from ingest.kafka.records import Record
from ingest.logs import Repeated, and_more
from ingest.metrics import catalogue as m
from ingest.metrics.meter import MALFORMED_FEEDBACK, Meter
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.sink.feedback.contract import Received
from ingest.sink.feedback.dedup import FeedbackDedup
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.feedback.message import Feedback, parse_feedback
from ingest.sink.feedback.tail import read_tail
from ingest.sink.preflight import check_topics
from ingest.timing import Deadline

STATUSES = frozenset({"Success", "Expired", "DeliveryCountExceeded", "Rejected", "Purged"})
HOLD_SECONDS = 30.0
"""A message that Kafka has not taken after this long is given back with its link, while the hub's lock of 60 s still
holds; the hub keeps it for an hour, but delivers it 10 times at most."""
SILENCE_SECONDS = 10.0
"""How long records wait for their acknowledgement before that counts as trouble."""
ACK_WAIT_SECONDS = 0.02
THROTTLED_SECONDS = 1.0
"""How long nothing is sent after Kafka has been too busy for a record."""
SAVE_SECONDS = 5.0

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """The entry of the role `feedback`. Returns when asked to stop; raises Refused, RestartRequired or another IngestError."""
    config, seen = child.task.config, FeedbackDedup()
    wait_until_available(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: check_topics(config)
    )
    topic = config.sink.feedback_topic
    reading = f"reading the end of topic {topic}"

    def go_on() -> bool:
        child.beat(False, reading)
        return not child.stopping

    wait_until_available(child, reading, lambda: read_tail(config.kafka, topic, seen, go_on=go_on))
    if child.stopping:
        return
    process = FeedbackProcess(child, seen)
    process.start()
    try:
        while not child.stopping:
            process.poll()
    finally:
        process.close(child.deadline or Deadline(SAVE_SECONDS))


@dataclass(slots=True)
class _Held:
    """One message of the hub that is not accepted yet."""

    received: Received
    since: float
    pending: int = 0
    """Records and dead letters that Kafka has not acknowledged."""


class _Told(NamedTuple):
    """One record of a message."""

    held: _Held
    feedback: Feedback


class FeedbackProcess:
    """`start, poll, close`. Counters are plain ints."""

    def __init__(self, child: Child, seen: FeedbackDedup) -> None:
        config: Config = child.task.config
        hub = config.hub.iot_hub
        if hub is None:
            raise ConfigError([Problem("hub.iot_hub_connection_string", "", "is needed to receive feedback")])
        self.told: Counter[str] = Counter()
        """Records that Kafka has acknowledged, by status; "other" are all that are not known from the hub."""
        self.repeats = 0
        """Records dropped because the topic already has them."""
        self.malformed = 0
        """Messages of the hub of which a part could not be read."""
        self.link = FeedbackLink(
            hub, config.hub.ca_file, transport=config.sink.transport, route=iot_hub_route(config, hub)
        )
        self.pool = ProducerPool(config.kafka, client_id="ingest-feedback")
        self.dead_letters = DeadLetterTopic(
            config.kafka, config.sink.dead_letter_topic, client_id="ingest-feedback-dead"
        )
        self._child = child
        self._topic = config.sink.feedback_topic
        self._host = hub.host
        self._seen = seen
        self._held: deque[_Held] = deque()
        self._records: OneByOne[_Told] = OneByOne()
        self._outbox = Outbox(
            self.pool,
            self._records,
            topic_of=lambda _: self._topic,
            record=self._record,
            acked=self._delivered,
            give_up=self._give_up,
        )
        self._paused = False
        self._repeated = Repeated()
        child.measure(self._measure)

    def start(self) -> None:
        self.pool.start()
        self.link.start()

    def poll(self) -> None:
        """Runs the loop once: takes messages, serves acknowledgements, accepts what is safe."""
        for received in self.link.poll():
            self._take(received)
        self._serve(0 if self.link.ready and not self._held else ACK_WAIT_SECONDS)
        self._mind_kafka()
        trouble = self._kafka_trouble or self.link.trouble
        self._child.beat(trouble is None, trouble or "receiving feedback")

    def close(self, deadline: Deadline) -> None:
        """Takes no more messages, waits for Kafka, accepts what Kafka has; all within the deadline."""
        while self._held and self._outbox.broken is None and not deadline.expired:
            self.link.poll()  # what still comes is ignored, and goes back to the hub with the link
            self._serve(min(ACK_WAIT_SECONDS, deadline.remaining()))
            self._child.beat(False, "draining")
        if self._held:
            self._child.unsaved(
                f"{len(self._held)} messages of feedback are not acknowledged by Kafka; the hub sends them again"
            )
        self.link.close()
        self.pool.terminate()
        self._child.beat(False, "stopped")

    def _take(self, received: Received) -> None:
        held = _Held(received, time.monotonic())
        self._held.append(held)
        records, problem = parse_feedback(received.body)
        for record in records:
            if self._seen.admit(record):
                held.pending += 1
                self._records.add([_Told(held, record)])
            else:
                self.repeats += 1
                logger.debug("Feedback on message %s of %s is known.", record.message_id, record.device_id)
        if problem is not None:
            self.malformed += 1
            self._dead_letter(held, None, received.body, MALFORMED_FEEDBACK, f"feedback of {self._host}: {problem}")

    def _serve(self, timeout: float) -> None:
        self._outbox.poll()
        self.pool.poll(timeout)
        self._outbox.poll()
        self.dead_letters.poll()
        broken = self._outbox.broken or self.dead_letters.broken
        if broken is not None:
            raise broken
        # In order: a message whose records are all known can repeat an earlier one, which is not safe yet.
        while self._held and not self._held[0].pending:
            self._held.popleft().received.accept()

    @staticmethod
    def _record(told: _Told) -> Record:
        return told.feedback.key, told.feedback.value, None, told.feedback.enqueued_ms

    def _delivered(self, told: _Told) -> None:
        told.held.pending -= 1
        status = told.feedback.status
        self.told[status if status in STATUSES else "other"] += 1

    def _give_up(self, told: _Told, why: Undeliverable, error: KafkaError | None) -> bool:
        if throttled(error, self._child.task.config.kafka.kind):
            self._records.pause(time.monotonic() + THROTTLED_SECONDS)
            return False
        told.held.pending -= 1
        self._dead_letter(told.held, told.feedback.key, told.feedback.value, why.reason, str(why))
        return True

    def _dead_letter(self, held: _Held, key: bytes | None, value: bytes, reason: str, sentence: str) -> None:
        more = self._repeated.admit(reason)
        if more is not None:
            logger.error("%s. It goes to %s%s.", sentence.rstrip("."), self.dead_letters.topic, and_more(more))
        held.pending += 1

        def done() -> None:
            held.pending -= 1

        letter = dead_letter(key, value, reason, sentence, {"hub": self._host})
        self.dead_letters.send(letter, reason, done)

    @property
    def _kafka_trouble(self) -> str | None:
        trouble = self.pool.trouble or self.dead_letters.trouble
        if trouble is None and self._oldest_seconds > SILENCE_SECONDS:
            return f"Kafka has acknowledged nothing for {SILENCE_SECONDS:g} s"
        return trouble

    @property
    def _oldest_seconds(self) -> float:
        return time.monotonic() - self._held[0].since if self._held else 0.0

    def _mind_kafka(self) -> None:
        if not self._paused and self._oldest_seconds > HOLD_SECONDS:
            self._paused = True
            self.link.pause("waiting for Kafka")
        elif self._paused and not self._held:
            self._paused = False
            self.link.start()

    def _measure(self, meter: Meter) -> None:
        slot = self._child.task.slot
        by_label = self.told | Counter(repeat=self.repeats, malformed=self.malformed)
        for label, count in by_label.items():
            meter.total(m.SINK_FEEDBACK, count, slot, label)
        for reason, count in self.dead_letters.written.items():
            # Under its own name: sending process 0 has its own count.
            meter.total(m.SINK_DEAD_LETTERS, count, m.FEEDBACK_WORKER, reason)
        meter.gauge(m.KAFKA_QUEUE_MESSAGES, self.pool.in_flight, self._child.task.role, slot)
