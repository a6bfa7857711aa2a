"""One partition process: hub → record → Kafka, and the checkpoint after what Kafka has acknowledged.

One thread runs the loop below. Other threads are the checkpoint writer's, short-lived ones that connect to the hub or
ask it about a silent partition, and librdkafka's.
"""

import logging
import time

from ingest.config import Config
from ingest.errors import Displaced, Refused, RestartRequired
from ingest.hub import event_hubs
from ingest.hub.position import BEFORE_FIRST, Position
from ingest.hub.standing import Standing, judge, skipped
from ingest.metrics.bottleneck import TimeShares
from ingest.process.child import BEAT_SECONDS, Child
from ingest.process.memory import scan_less_often
from ingest.process.waiting import wait_until_available
from ingest.source.catch_up_turn import CONTENT_SECONDS, WAIT_SECONDS, CatchUpTurn
from ingest.source.checkpoints import Checkpoint, CheckpointStore, open_store
from ingest.source.checkpoints.position_record import PositionRecord
from ingest.source.checkpoints.scope import scope
from ingest.source.checkpoints.store import Damaged
from ingest.source.checkpoints.writer import CheckpointWriter
from ingest.source.delivery.contract import Deliverer
from ingest.source.delivery.delivery import Delivery
from ingest.source.delivery.patience import Patience
from ingest.source.delivery.transactional import TransactionalDelivery
from ingest.source.endpoint import EndpointWatch, forget, settle
from ingest.source.exactly_once import Transactions, open_transactions
from ingest.source.first_checkpoint import first_checkpoint
from ingest.source.hot_path import decoder_in_use
from ingest.source.instrumentation import SourceMeasures, TransactionMeasures
from ingest.source.ownership import Ownership
from ingest.source.preflight import Topics, usable_topics
from ingest.source.receiving.identity import Identity
from ingest.source.receiving.receiver import Receiver
from ingest.source.receiving.spacing import TurnSpacing
from ingest.source.receiving.start import start_at
from ingest.source.receiving.vacancy import Vacancy
from ingest.source.receiving.watchdog import Asked, HubQuestion, StallWatch
from ingest.source.stand_by import stand_by
from ingest.source.steps import Steps
from ingest.source.transport.select import open_transport
from ingest.timing import Deadline

EVENT_WAIT_SECONDS = BEAT_SECONDS
"""Poll interval if idle, or if Kafka has no room. A poll with cold caches takes 0.4 ms: none is without a heartbeat."""
LAST_ACKS_SECONDS = 0.1
"""How long, after a turn, the loop waits for acknowledgements before it asks whether the next turn has begun."""
SMALL_TURN = 128
COLLECT_BACKLOG = 1_000
COLLECT_SECONDS = 0.05
"""A loop costs as much for one event as for many, and so does a request to Kafka. A process that is far behind can wait
for more events, and so can one whose events are not sent yet."""
LOOK_SECONDS = 0.05
"""While events come: what a look costs is a tenth of a small turn."""
SAVE_SECONDS = 5.0
ASK_AGAIN_SECONDS = 10.0
"""How long until an unanswered question to the hub is asked again."""

KAFKA_SHARE = 0.7
"""Kafka's share of the time for a graceful end: the rest is for the checkpoint."""

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """The entry of the role `source`. Returns when asked to stop; raises Refused, RestartRequired or another IngestError."""
    written, partition, steps = child.task.config, child.task.slot, Steps()
    settle(child)
    config = child.task.config
    if child.stopping:
        return
    store = open_store(config.checkpoints, scope(config), config.proxy)
    topics: Topics | None = child.task.facts.get("topics") or usable_topics(child)
    if child.stopping or topics is None:
        return
    steps.done("questions")
    transactions = open_transactions(child, topics, steps) if config.source.delivery == "exactly_once" else None
    if child.stopping:
        return
    # Last, so that it is fresh. Nothing may start before the position is known: too early would repeat days, too late
    # would lose them.
    checkpoint = wait_until_available(child, "reading the checkpoint", lambda: store.load(partition), mendable=Damaged)
    if transactions is not None and not child.stopping:
        checkpoint = transactions.start(checkpoint)
    if checkpoint is None or checkpoint.lease:
        checkpoint = first_checkpoint(child, store, checkpoint)
        if transactions is not None:
            transactions.stored = checkpoint
    if child.stopping:
        return
    steps.done("checkpoint")
    watch = EndpointWatch(written, config, time.monotonic)
    process = PartitionProcess(child, store, checkpoint, topics, watch, transactions)
    process.start()
    scan_less_often()
    try:
        while not (child.stopping or process.receiver.attaches):
            process.poll()
        steps.done("hub")
        logger.debug("Partition %s was started in %s.", partition, steps)
        while not child.stopping:
            process.poll()
    except BaseException as error:
        if isinstance(error, Refused):
            forget(written)
        if isinstance(error, Displaced):
            process.leave(Deadline(SAVE_SECONDS))
            stand_by(child, str(error))
            if child.stopping:
                return
        else:
            # The next process need not send again what Kafka has already acknowledged.
            process.close(Deadline(SAVE_SECONDS))
        raise
    process.close(child.deadline or Deadline(config.service.shutdown_seconds))


class PartitionProcess:
    """`start, poll, close` of everything that one partition needs. Public parts are read by `SourceMeasures`."""

    def __init__(
        self,
        child: Child,
        store: CheckpointStore,
        checkpoint: Checkpoint | None,
        topics: Topics,
        endpoint: EndpointWatch | None = None,
        transactions: Transactions | None = None,
    ) -> None:
        """`transactions`: for exactly once."""
        config, self.partition = child.task.config, child.task.slot
        start, last = start_at(config.source, self.partition, checkpoint)
        # Another node waits for the end.
        interrupt = child.bell if config.cluster.shares else None
        self.transport = open_transport(config, self.partition, interrupt=interrupt)
        self._endpoint = endpoint or EndpointWatch(config, config, time.monotonic)
        self.decoder = decoder_in_use(config.source.format, self.transport.name)
        self.receiver = Receiver(
            self.transport,
            self.partition,
            start,
            last=last,
            wait=child.wait,
            renumbered=self._renumbered,
            displaced=lambda why: self.ownership.doubt(why),
            ended=self._endpoint.ended,
            may_open=lambda: self.ownership.may_open(),
            host=event_hubs.address(config).host,
        )
        self.delivery = self._delivery(config, topics, transactions)
        seen = checkpoint if transactions is None else transactions.stored
        self.writer = CheckpointWriter(store, config.checkpoints.interval_seconds, partition=self.partition, seen=seen)
        self.stalls = 0
        self.question = HubQuestion(lambda created: event_hubs.standing(config, self.partition, created=created))
        self._identity = Identity(checkpoint, child.task.facts.get("created_ms"))
        self.ownership = Ownership(
            config.source,
            self.partition,
            checkpoint,
            self.receiver,
            self.delivery,
            self.writer,
            self._identity,
            vacant=Vacancy(config, self.partition).free if config.cluster.coordination == "blob" else lambda: True,
        )
        self._attaches = 0
        self._attached_at = self._ask_at = self._look_at = 0.0
        self._moved_since_look = False
        self._base: int | None = None
        """The newest sequence number when the hub was first asked, if the position cannot be compared with it."""
        self._watch = StallWatch(config.source.stall_seconds, time.monotonic())
        self._child = child
        self.shares = TimeShares()
        self.catch_up = CatchUpTurn(child)
        self._spacing = TurnSpacing(gathers=self.transport.gathers)
        self._patience = Patience()
        child.measure(SourceMeasures(self, config.hub.retention_days))
        if isinstance(self.delivery, TransactionalDelivery):
            child.measure(TransactionMeasures(self.delivery, self.partition))
        if self._identity.contradiction is not None:
            made = self._identity.created_ms
            self.receiver.renumber(self._identity.contradiction)
            self._identity.heard(made)

    def _delivery(self, config: Config, topics: Topics, transactions: Transactions | None) -> Deliverer:
        if transactions is not None:
            return transactions.delivery(topics, self._record_of, lambda: self.ownership.awake())
        return Delivery(
            config,
            self.partition,
            max_record_bytes=topics.max_record_bytes,
            topic_partitions=topics.partitions,
            schema_id=topics.schema_id,
            may_send=lambda: self.ownership.awake(),
        )

    def _record_of(self, position: Position) -> bytes:
        created = self._identity.created_ms
        return PositionRecord(position.offset, position.sequence_number, hub_created_ms=created).encoded()

    def start(self) -> None:
        self.delivery.start()
        self.writer.start()
        self.receiver.start()

    def poll(self) -> None:
        """Runs the loop once: takes events, serves acknowledgements; at times moves the checkpoint, and looks for what is wrong.

        Everything here runs once per some 1,000 events under load. Only these loops run per event: `TransferSplitter.feed`,
        `Decoder.decode_all`, `Encoder.encode_all`, `ShippingPool.send_all` and `hot_path.observe_since`.
        """
        self.ownership.poll()
        self._endpoint.poll()
        moved, now = self._turn(), time.monotonic()
        if moved and now < self._look_at:
            self._moved_since_look = True
            return
        self._look_for_stall(now, moved=moved or self._moved_since_look)
        self._look_at, self._moved_since_look = now + LOOK_SECONDS, False
        self._checkpoint()
        troubles = self.ownership.trouble, self.receiver.trouble, self.delivery.trouble, self.question.trouble
        trouble = next(filter(None, troubles), None)
        self._child.beat(trouble is None, trouble or "receiving")

    def _turn(self) -> bool:
        """Returns False if no event came that was waited for."""
        if self.catch_up.waits:
            settled = self.delivery.idle
            if not self.catch_up.go(WAIT_SECONDS if settled else 0):
                self.receiver.tend()
                self._wait_for_kafka(0 if settled else LAST_ACKS_SECONDS)
                return True
        if not self.delivery.room:
            self.receiver.tend()
            self.catch_up.received(0, more=self.transport.more)
            self._wait_for_kafka(EVENT_WAIT_SECONDS)
            return True
        self.shares.enter("hub" if self.backlog or not self.receiver.attached else "idle")
        batch = self.receiver.poll(self._event_wait)
        self.shares.enter("decode")
        weight = batch.weight if batch is not None else 0
        read_next = self._spacing.turn(weight, time.monotonic())
        if batch is not None:
            self.delivery.send(batch)
        self.catch_up.received(weight, more=self.transport.more)
        self._acknowledgements(weight, read_next)
        self.shares.enter("idle")
        if 0 < weight < SMALL_TURN and (pause := self._pause):
            self._child.wait(pause)
        else:
            self._gather_until(read_next)
        return weight > 0 or not self.receiver.attached

    @property
    def _event_wait(self) -> float:
        wait, most = self.delivery.event_wait, CONTENT_SECONDS if self.catch_up.has_turn else EVENT_WAIT_SECONDS
        return most if wait is None else min(most, wait)

    @property
    def _pause(self) -> float:
        """Seconds for which more events are waited for after a few."""
        return COLLECT_SECONDS if self.backlog > COLLECT_BACKLOG else min(COLLECT_SECONDS, self.delivery.sends_in)

    def _gather_until(self, moment: float) -> None:
        """A few milliseconds at most, so no stop is asked for."""
        left = moment - time.monotonic()
        if left > 0 and not self.transport.more:
            self.transport.gather(left)

    def _wait_for_kafka(self, seconds: float) -> None:
        self.shares.enter("kafka_queue")
        self.delivery.poll(seconds)
        self.shares.enter("decode")

    def _acknowledgements(self, weight: int, read_next: float) -> None:
        """Takes those that have come, and waits for the others if there is nothing better to do: what comes from the
        hub now cannot be sent before them, and after a small turn nothing need be read before `read_next`."""
        if self.transport.more or not self.delivery.on_the_way:
            self._patience.over()
            self.delivery.poll(0)
            return
        self.shares.enter("kafka_queue" if self.backlog > COLLECT_BACKLOG else "idle")
        wait = self._patience.turn(weight)
        self.delivery.poll(wait if weight >= SMALL_TURN else max(wait, read_next - time.monotonic()))

    @property
    def backlog(self) -> int:
        """Events that, as far as we know, the hub holds and we have not received."""
        last = self.receiver.last.sequence_number if self.receiver.last is not None else -1
        return max(0, (self.transport.newest or 0) - last, (self.question.newest or 0) - last)

    def close(self, deadline: Deadline) -> None:
        """Stops receiving, waits for Kafka, writes the last checkpoint; all within the deadline."""
        steps = Steps()
        self.receiver.close()
        steps.done("hub")
        self.delivery.close()
        # What Kafka has acknowledged is worth a checkpoint even if it takes no more.
        if not self.delivery.join(Deadline(deadline.remaining() * KAFKA_SHARE), while_waiting=self._draining):
            count = self.delivery.pool.in_flight or "some"
            self._child.unsaved(
                f"{count} records are not acknowledged by Kafka, and are sent again after the next start"
            )
        steps.done("Kafka")
        self._checkpoint()
        self.writer.close(deadline)
        while not self.writer.join(Deadline(min(0.2, deadline.remaining()))) and not deadline.expired:
            self._draining()
        if self.writer.pending:
            why = self.writer.last_error or "the store has not answered"
            self._child.unsaved(
                f"the last checkpoint is not written ({why}), and what came after the one before comes again"
            )
        self._draining()
        steps.done("checkpoint")
        logger.debug("Partition %s was ended in %s.", self.partition, steps)

    def leave(self, deadline: Deadline) -> None:
        """Ends without saving anything: another process has the partition, and what is not committed comes to that one."""
        self.receiver.close()
        self.writer.terminate()
        self.writer.join(deadline)

    def _draining(self) -> None:
        self._child.beat(False, "draining")

    def _checkpoint(self) -> None:
        if self.ownership.may_save() and (checkpoint := self.ownership.acknowledged):
            self.writer.offer(checkpoint)

    def _renumbered(self) -> None:
        self.delivery.restart(BEFORE_FIRST)
        self._identity.forget()
        self.question.newest = None

    def _ask(self, *, silent: bool) -> bool:
        receiver = self.receiver
        # A start time stays the measure until an event has come.
        position = None if receiver.start_at.inclusive else receiver.last
        return self.question.ask(Asked(position, receiver.numbering, silent), created=not self._identity.settled)

    def _look_for_stall(self, now: float, *, moved: bool) -> None:
        receiver = self.receiver
        if receiver.attaches != self._attaches:
            # Another hub can answer to the name.
            self._identity.attached()
            self._attaches = receiver.attaches
            self._attached_at = self._ask_at = now
        doubtful = receiver.jump is not None or not self._identity.settled
        if doubtful and self._attaches and now >= self._ask_at and self._ask(silent=False):
            self._ask_at = now + ASK_AGAIN_SECONDS
        for standing, asked in self.question.answers():
            self._hear(standing, asked, now)
        if moved:
            self._watch.moved(now)
            self.question.trouble = None
            return
        verdict = self._watch.look(now)
        if verdict == "ask":
            self._ask(silent=True)
        elif verdict == "unknown":
            receiver.reconnect("silent", "no event, and no answer to the question whether there should be one")
            self._watch.moved(now)
        elif verdict == "stalled":
            self.stalls += 1
            raise RestartRequired(f"stalled: the hub holds newer events of partition {self.partition} and sends none")

    def _hear(self, standing: Standing, asked: Asked, now: float) -> None:
        """Takes an answer of the hub to a question that was asked a while ago."""
        receiver = self.receiver
        if asked.numbering != receiver.numbering:
            return
        why = self._identity.heard(standing.created_ms)
        if receiver.jump is not None and standing.asked_at >= self._attached_at:
            if skipped(standing, receiver.jump):
                why = (
                    f"it holds sequence number {standing.oldest}, and sent {receiver.jump[1]} after {receiver.jump[0]}"
                )
            receiver.jump = None
        verdict = judge(standing, asked.position, receiver.start_at) if asked.silent else None
        if why is None and verdict == "renumbered":
            why = f"its newest event is {_words(standing.position)}, and the last one received {_words(asked.position)}"
        if why is not None:
            receiver.renumber(why)
            self._identity.heard(standing.created_ms)
            self._watch.moved(now)
        elif verdict is not None:
            if verdict == "even" and asked.position is None and not receiver.events:
                receiver.stand_at(standing.position)
            if verdict == "unknown":
                self._base = standing.newest if self._base is None else self._base
            grown = verdict == "unknown" and self._base is not None and standing.newest > self._base
            self._watch.answer(grown or verdict == "behind", standing.asked_at)


def _words(position: Position | None) -> str:
    return "unknown" if position is None else f"number {position.sequence_number} at offset {position.offset}"
