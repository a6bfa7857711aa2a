"""One partition process: hub → record → Kafka, and the checkpoint behind what Kafka has acknowledged.

One thread runs the loop below. Beside it there are the checkpoint writer's, short-lived ones that connect to the hub or ask
it about a silent partition, and librdkafka's own.
"""

import gc
import logging
import time

from ingest.child import Child
from ingest.config import At, Earliest, Latest, Offsets
from ingest.deadline import Deadline
from ingest.errors import Recycle
from ingest.insist import insist
from ingest.source import hub
from ingest.source.catch_up import CONTENT_SECONDS, WAIT_SECONDS, CatchUp
from ingest.source.checkpoint_writer import CheckpointWriter
from ingest.source.checkpoints import Checkpoint, CheckpointStore, open_store
from ingest.source.deliver import Delivery
from ingest.source.measures import SourceMeasures
from ingest.source.progress import Position
from ingest.source.readiness import Topics, look_at_topics
from ingest.source.receive import EARLIEST, LATEST, Receiver, StartAt
from ingest.source.stall import HubQuestion, StallWatch
from ingest.source.transport import open_transport
from ingest.waits import Shares

EVENT_WAIT_SECONDS = 0.5
"""A process without anything to do, or for which Kafka has no room, looks around this often. Ten times a second, 32 of them
took 7 % of a core."""
HELD_SECONDS = 0.1
"""While events are held back and none is on its way, the loop looks around this often."""
ACK_WAIT_SECONDS = 0.005
"""The loop waits for acknowledgements so long before it looks at the hub again. What comes meanwhile cannot be sent any
sooner."""
LAST_ACKS_SECONDS = 0.1
"""Behind a turn, the loop waits for what is on its way so long before it asks whether the next turn has begun."""
SMALL_TURN = 128
COLLECT_BACKLOG = 1_000
COLLECT_SECONDS = 0.05
"""A turn costs as much for one event as for many, and so does a request to Kafka. A process that is so many events behind
can wait for a larger turn."""
SAVE_SECONDS = 5.0
YOUNG_OBJECTS = 20_000
"""So many more objects than before, and the collector looks at the young ones. Python's 700 are a fraction of one turn's
events, which live and are looked at in vain: 0.4 µs of each event's CPU time with 32 partitions."""

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """The entry of the role `source`. Returns when asked to stop; raises Refused, Recycle or another IngestError."""
    config, partition = child.task.config, child.task.slot
    store = open_store(config.checkpoints, hub.scope(config))
    # Without knowing the position nothing may start: too early would repeat days, too late would lose them.
    checkpoint = insist(child, "reading the checkpoint", lambda: store.load(partition))
    topics: Topics | None = child.task.facts.get("topics") or insist(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: look_at_topics(config)
    )
    if child.stopping or topics is None:
        return
    process = PartitionProcess(child, store, checkpoint, topics)
    process.start()
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        while not child.stopping:
            process.poll()
    except BaseException:
        # What Kafka has acknowledged already need not be sent again by the process after this one.
        process.close(Deadline(SAVE_SECONDS))
        raise
    process.close(child.deadline or Deadline(config.service.shutdown_seconds))


class PartitionProcess:
    """`start, poll, close` of everything that one partition needs. Public parts are read by `SourceMeasures`."""

    def __init__(self, child: Child, store: CheckpointStore, checkpoint: Checkpoint | None, topics: Topics) -> None:
        config, self.partition = child.task.config, child.task.slot
        last = None
        if checkpoint is not None and checkpoint.offset is not None and checkpoint.sequence_number is not None:
            last = Position(checkpoint.offset, checkpoint.sequence_number)
        self.transport = open_transport(config, self.partition)
        self.receiver = Receiver(
            self.transport, self.partition, _start_at(child, checkpoint), last=last, wait=child.wait
        )
        self.delivery = Delivery(
            config, self.partition, max_record_bytes=topics.max_record_bytes, topic_partitions=topics.partitions
        )
        self.writer = CheckpointWriter(store, config.checkpoints.interval_seconds)
        self.stalls = 0
        self.question = HubQuestion(lambda: hub.newest_sequence_number(config, self.partition))
        self._watch = StallWatch(config.source.stall_seconds, time.monotonic())
        self._child = child
        self.shares = Shares()
        self.catch_up = CatchUp(child)
        child.measure(SourceMeasures(self, config.hub.retention_days))

    def start(self) -> None:
        self.delivery.start()
        self.writer.start()
        self.receiver.start()

    def poll(self) -> None:
        """One turn of the loop: take events if there is room for them, serve acknowledgements, move the checkpoint.

        Everything here is paid once per turn, and under load a turn has some 1,500 events. Per event there are only the
        loops in `Transfers.feed`, `Decoder.decode`, `Format.encode`, `ProducerPool.send_all` and `Reports`.
        """
        settled = self.delivery.idle
        if not self.catch_up.go(WAIT_SECONDS if settled else 0):
            self.receiver.tend()
            self._look_for_stall(moved=True)
            self._wait_for_kafka(0 if settled else LAST_ACKS_SECONDS)
        elif self.delivery.room:
            self.shares.enter("hub" if self.backlog or not self.receiver.attached else "idle")
            events = self.receiver.poll(self._event_wait)
            self.shares.enter("decode")
            if events:
                self.delivery.send(events)
            self.catch_up.received(len(events), more=self.transport.more)
            self._look_for_stall(moved=bool(events) or not self.receiver.attached)
            self._acknowledgements()
            if 0 < len(events) < SMALL_TURN and self.backlog > COLLECT_BACKLOG:
                self._child.wait(COLLECT_SECONDS)
        else:
            self.receiver.tend()
            self.catch_up.received(0, more=self.transport.more)
            self._look_for_stall(moved=True)
            self._wait_for_kafka(EVENT_WAIT_SECONDS)
        self._checkpoint()
        trouble = self.receiver.trouble or self.delivery.trouble
        self._child.beat(trouble is None, trouble or "receiving")

    @property
    def _event_wait(self) -> float:
        if self.delivery.idle:
            return CONTENT_SECONDS if self.catch_up.has_turn else EVENT_WAIT_SECONDS
        if self.delivery.pool.in_flight:
            return 0
        return HELD_SECONDS if any(self.delivery.held_back.values()) else ACK_WAIT_SECONDS

    def _wait_for_kafka(self, seconds: float) -> None:
        self.shares.enter("kafka_queue")
        self.delivery.poll(seconds)
        self.shares.enter("decode")

    def _acknowledgements(self) -> None:
        """Takes those that are there, and waits for the others when there is nothing better to do: what comes from the
        hub now cannot be sent before they are."""
        if self.transport.more or not self.delivery.pool.in_flight:
            self.delivery.poll(0)
            return
        self.shares.enter("kafka_queue" if self.backlog > COLLECT_BACKLOG else "idle")
        self.delivery.poll(ACK_WAIT_SECONDS)
        self.shares.enter("decode")

    @property
    def backlog(self) -> int:
        """Events that the hub holds, as far as we know, and we have not received."""
        last = self.receiver.last.sequence_number if self.receiver.last is not None else -1
        return max(0, *((number or 0) - last for number in (self.transport.newest, self.question.newest)))

    def close(self, deadline: Deadline) -> None:
        """Receives nothing more, waits for Kafka, writes the last checkpoint; all within the deadline."""
        self.receiver.close()
        self.delivery.close()
        if not self.delivery.join(deadline, while_waiting=self._draining):
            logger.warning(
                "Partition %s: %d records are not acknowledged; they are sent again after the next start.",
                self.partition,
                self.delivery.pool.in_flight,
            )
        self._checkpoint()
        self.writer.close(deadline)
        while not self.writer.join(Deadline(min(0.2, deadline.remaining()))) and not deadline.expired:
            self._draining()
        self._draining()

    def _draining(self) -> None:
        self._child.beat(False, "draining")

    def _checkpoint(self) -> None:
        position = self.delivery.position
        if position is not None:
            self.writer.offer(Checkpoint(self.partition, position.offset, position.sequence_number))

    def _look_for_stall(self, *, moved: bool) -> None:
        now = time.monotonic()
        if moved:
            self._watch.moved(now)
            return
        for newest, asked_at in self.question.answers():
            last = self.receiver.last
            self._watch.answer(newest, last.sequence_number if last else None, asked_at)
        verdict = self._watch.look(now)
        if verdict == "ask":
            self.question.ask()
        elif verdict == "unknown":
            self.receiver.reconnect("silent", "no event, and no answer to the question whether there should be one")
            self._watch.moved(now)
        elif verdict == "stalled":
            self.stalls += 1
            raise Recycle(f"stalled: the hub holds newer events of partition {self.partition} and sends none")


def _start_at(child: Child, checkpoint: Checkpoint | None) -> StartAt:
    if checkpoint is not None and checkpoint.offset is not None:
        return StartAt(checkpoint.offset)
    if checkpoint is not None and checkpoint.sequence_number is not None:
        return StartAt(checkpoint.sequence_number)
    match child.task.config.source.start:
        case Earliest():
            return StartAt(EARLIEST)
        case Latest():
            return StartAt(LATEST)
        case At(time=moment):
            return StartAt(moment)
        case Offsets(by_partition=offsets):
            return StartAt(offsets.get(child.task.slot, EARLIEST))
