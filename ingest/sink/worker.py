"""One sink process: commands out of Kafka → lanes → the pace → the hub; offsets after what is finished.

One thread runs the loop below; librdkafka has its own. A command is finished once the hub has it or its dead letter is
acknowledged; everything else is tried again, in the order of its device.
"""

import logging
import time
from collections import Counter
from functools import partial
from pathlib import Path

from ingest.config import Config
from ingest.errors import ConfigError, Problem, Refused, Undeliverable
from ingest.hub.network.route import iot_hub_route
from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.logs import Repeated, and_more
from ingest.metrics.bottleneck import Part, TimeShares
from ingest.metrics.catalogue import SEND_BUCKETS
from ingest.metrics.meter import Histogram
from ingest.process.child import Child
from ingest.process.memory import scan_less_often
from ingest.process.waiting import wait_until_available
from ingest.sink.commands.command import Command
from ingest.sink.commands.expiry import check_expiry
from ingest.sink.commands.formats import format_named
from ingest.sink.commands.records import command_of, letter_of, letter_of_place, unexpected
from ingest.sink.commands.unread_fields import Unread
from ingest.sink.ending import Closing, end
from ingest.sink.feedback.topic_reader import FeedbackReader
from ingest.sink.instrumentation import SinkMeasures
from ingest.sink.intake.consumer import CommandConsumer, Place
from ingest.sink.intake.other_hubs import member_name
from ingest.sink.intake.read_ahead import FETCH, ReadAhead
from ingest.sink.intake.reread import Again, Found
from ingest.sink.intake.schema_cache import InOrder, registry_schemas
from ingest.sink.intake.ticket import Ticket
from ingest.sink.pacing.device_queues import DeviceQueues
from ingest.sink.pacing.outstanding import OutstandingLimit
from ingest.sink.pacing.shared_rate import CONTENDED_SECONDS, SharedRate
from ingest.sink.preflight import check_group, check_topics, must_leave_group
from ingest.sink.sending.results import LINK_LOST, UNANSWERED, Outcome
from ingest.sink.sending.sender import Sender
from ingest.sink.sending.stall_guard import StallGuard
from ingest.timing import Deadline

WINDOW = 256
"""Commands in flight of one process; the hub's own link credit is about 100."""
IDLE_SECONDS = 0.05
PACED_SECONDS = 0.005
"""Commands that the pace allows within this time go out together: a loop costs more than a command."""
COMMIT_SECONDS = 1.0
REVOKE_SECONDS = 4.0
"""How long commands in flight have to be answered when partitions go to another process."""
CREDIT_SECONDS = 3_600.0
"""The hub's default time to live: without feedback for this long a message no longer waits in the hub."""
DEAD_LETTERS = 5_000
DEAD_LETTER_BYTES = 16 << 20
"""No more commands are read while this many dead letters, or this many bytes of them, are on their way: they are kept
until Kafka has them, and their producer's queue must not be full."""
RECENT_SECONDS = 60.0
"""A fault of one command is its device's if the hub has taken another one within this time."""
QUOTA_SECONDS = 60.0
"""The daily quota is renewed at midnight UTC; until then, one command is tried this often."""

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """The entry of the role `sink`. Returns when asked to stop; raises Refused, RestartRequired or another IngestError."""
    config = child.task.config
    wait_until_available(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: check_topics(config)
    )
    wait_until_available(child, f"looking at the consumer group {config.sink.group_id}", lambda: check_group(config))
    if child.stopping:
        return
    worker = Worker(child)
    worker.start()
    scan_less_often()
    try:
        while not child.stopping:
            worker.poll()
    finally:
        worker.close(child.deadline or Deadline(config.service.shutdown_seconds if child.stopping else REVOKE_SECONDS))


class Worker:
    """`start, poll, close` of everything that one sink process needs. Public parts are read by `SinkMeasures`."""

    def __init__(self, child: Child) -> None:
        config: Config = child.task.config
        hub = config.hub.iot_hub
        if hub is None:
            raise ConfigError([Problem("hub.iot_hub_connection_string", "", "is needed to send commands")])
        self.worker = child.task.slot
        self.counts: Counter[str] = Counter()
        self.throttled = 0
        self.seconds = Histogram(SEND_BUCKETS)
        self.shares = TimeShares()
        self.sender = Sender(hub, config.hub.ca_file, transport=config.sink.transport, route=iot_hub_route(config, hub))
        self.budget = SharedRate(Path(child.task.shared["budget"]))
        self.lanes = DeviceQueues(
            max_wait_seconds=config.sink.max_wait_seconds,
            # Only full feedback reports the end of every command.
            credit=OutstandingLimit(seconds=CREDIT_SECONDS) if config.sink.ack == "full" else None,
        )
        self._answers = (
            FeedbackReader(config.kafka, config.sink.feedback_topic, client_id=f"ingest-sink-{self.worker}-answers")
            if config.sink.ack == "full"
            else None
        )
        self.dead_letters = DeadLetterTopic(
            config.kafka, config.sink.dead_letter_topic, client_id=f"ingest-sink-{self.worker}-dead"
        )
        self.commands = CommandConsumer(
            config.kafka,
            config.sink.topics,
            config.sink.group_id,
            client_id=member_name(
                f"{child.task.shared['node']}/sink-{self.worker}"
                if config.cluster.shares
                else f"ingest-sink-{self.worker}",
                hub,
            ),
            on_revoked=self._revoked,
            on_lost=self._drop,
            must_leave=partial(must_leave_group, config),
        )
        self._again = Again(config.kafka, client_id=f"ingest-sink-{self.worker}-again")
        self._child = child
        self._schemas = registry_schemas(config.kafka.schema_registry)
        form = format_named(config.sink.format, lenient_expiry=config.sink.lenient_expiry, schemas=self._schemas)
        self._read = partial(command_of, default_ack=config.sink.ack, form=form)
        self._arrived, self._found = InOrder(self._take), InOrder(self._take_again)
        self._dead_bytes = 0
        """Bytes of dead letters on their way."""
        self._ahead = ReadAhead(WINDOW)
        self._taken_at = float("-inf")
        """When the hub last took a command."""
        self._quota: str | None = None
        self._commit_at = 0.0
        self._repeated = Repeated()
        self._unread = Unread()
        self._stall = StallGuard(self.sender, self.lanes, self.budget)
        child.measure(SinkMeasures(self))

    def start(self) -> None:
        if self._answers is not None:
            self._answers.start()
        self.commands.start()
        self.sender.start()

    def poll(self) -> None:
        """Runs the loop once."""
        busy = len(self.lanes) or self.lanes.deferred or self.sender.in_flight
        self.shares.enter("decode" if busy else self._waits_for(paced=False))
        tickets = self.commands.poll(self._wanted(), 0 if busy else IDLE_SECONDS)
        self.shares.enter("decode")
        self._arrived.take(tickets)
        while self.commands.unreadable:
            ticket, sentence = self.commands.unreadable.pop()
            self._dead_letter(ticket, Undeliverable("unreadable", f"Kafka's record cannot be read: {sentence}"))
        self._read_again()
        for device_id, message_id in self._answers.poll() if self._answers is not None else ():
            self.lanes.feedback(device_id, message_id, time.monotonic())
        wait, part = self._send()
        if tickets or not self._again.idle:
            # There can be more to read.
            wait = min(wait, PACED_SECONDS)
        self.shares.enter(part)
        self._settle(wait)
        self.shares.enter("decode")
        self.dead_letters.poll()
        if self.dead_letters.broken is not None:
            raise self.dead_letters.broken
        now = time.monotonic()
        if now >= self._commit_at:
            self._commit_at = now + COMMIT_SECONDS
            self.commands.commit()
        kafka = self.commands.trouble or self.dead_letters.trouble or self.commands.silence
        self._stall.look(now)
        feedback = self._answers.trouble or self._answers.silence if self._answers is not None else None
        schema = self._schemas.trouble if self._schemas is not None else None
        troubles = self.sender.trouble, self._stall.trouble, self._quota, kafka, schema, feedback, self.lanes.trouble
        trouble = next(filter(None, troubles), None)
        self._child.beat(trouble is None, trouble or "sending")

    def close(self, deadline: Deadline) -> None:
        """Stops sending, waits for answers, commits, leaves the group; all within the deadline."""
        others: list[Closing] = [self._again, *([self._answers] if self._answers is not None else [])]
        end(self._child, deadline, self.sender, self._settle, self.dead_letters, self.commands, others)
        self.budget.close()
        self._child.beat(False, "stopped")

    def _wanted(self) -> int:
        """Returns how many commands to read now."""
        if not self.lanes.has_room:
            self.lanes.spill()
        if self._arrived or self.dead_letters.in_flight >= DEAD_LETTERS or self._dead_bytes >= DEAD_LETTER_BYTES:
            return 0
        lanes, now = self.lanes, time.monotonic()
        return self._ahead.wanted(
            ready=lanes.ready(now), deferred=lanes.deferred, has_room=lanes.has_room, may_send=self._may_send
        )

    @property
    def _may_send(self) -> bool:
        # While Kafka is unavailable nothing can be committed, and what is sent now would be sent again later.
        reads_back = self._answers is None or self._answers.ready
        return self.sender.ready and reads_back and self.commands.trouble is None

    def _take(self, ticket: Ticket) -> None:
        record = ticket.record
        assert record is not None, "it was read just now"
        read, why = None, None
        try:
            read = self._read(record, ticket.origin, now_ms=_now_ms())
        except Undeliverable as bad:
            why = bad.with_traceback(None)
        if why is not None:
            self._dead_letter(ticket, why)
        elif read is None:
            self.counts["tombstone"] += 1
            ticket.finish()
        else:
            ticket.command, kept_bytes = read
            self._unread.tell(ticket.command)
            self.lanes.offer(ticket, time.monotonic(), kept_bytes=kept_bytes)

    def _read_again(self) -> None:
        """Fills lanes from their deferred places."""
        self._found.take(self._again.poll())
        if self.lanes.deferred and self._again.idle and not self._found and self._may_send:
            self._again.want(self.lanes.wanted(FETCH))

    def _take_again(self, found: Found) -> None:
        ticket, parsed, kept_bytes = self.commands.ticket(found.origin, found.message), False, 0
        why = Undeliverable(
            "deleted", "Kafka has deleted the command while it waited for its device: raise the topic's retention.ms."
        )
        if found.message is not None:
            try:
                read = self._read(found.message, found.origin, now_ms=_now_ms())
                if read is not None:
                    (ticket.command, kept_bytes), parsed = read, True
            except Undeliverable as bad:
                why = bad.with_traceback(None)
        if not self.lanes.returned(found.device_id, found.origin, ticket if parsed else None, kept_bytes=kept_bytes):
            return
        if not parsed:
            self._dead_letter(ticket, why, key=found.device_id.encode())

    def _send(self) -> tuple[float, Part]:
        """Sends what the pace allows now; returns the seconds until there can be more, and what it waits for."""
        now = time.monotonic()
        window = max(0, WINDOW - self.sender.in_flight) if self._may_send else 0
        wanted = min(window, self.lanes.ready(now))
        granted, pace_wait = self.budget.take(wanted)
        for _ in range(granted):
            ticket = self._next(now)
            if ticket is None:
                break
            why = None
            try:
                self.sender.send(ticket.command)
            except Exception as error:  # whatever a library raises for one command, the others go on
                why = unexpected(error)
            if why is not None:
                self._give_up(ticket, why)
        self._stall.may_go = self.sender.in_flight > 0 or (wanted > 0 and pace_wait <= CONTENDED_SECONDS)
        part = self._waits_for(paced=wanted > granted)
        if wanted > granted:
            return min(IDLE_SECONDS, max(PACED_SECONDS, pace_wait)), part
        if granted == window:
            # Only an answer or a new link makes room.
            return IDLE_SECONDS, part
        lane_wait = self.lanes.wait(now)
        return IDLE_SECONDS if lane_wait is None else min(IDLE_SECONDS, lane_wait) if lane_wait else 0.001, part

    def _waits_for(self, *, paced: bool) -> Part:
        """Returns what the process waits for once all possible commands are sent. `paced`: the pace holds some back."""
        if self.commands.trouble is not None:
            return "kafka_queue"
        if paced:
            return "c2d_limit"
        if self.sender.in_flight or not self.sender.ready:
            return "hub"
        if len(self.lanes) or self.lanes.deferred:
            # Their devices' queues are full, or the devices have no credit, or wait after a throttle.
            return "c2d_limit"
        return "kafka_queue" if self.dead_letters.in_flight else "idle"

    def _next(self, now: float) -> Ticket | None:
        """Returns the next command that has not expired while it waited."""
        while (ticket := self.lanes.take(now)) is not None:
            try:
                check_expiry(ticket.command.expiry_ms, _now_ms())
                return ticket
            except Undeliverable as late:
                why = late.with_traceback(None)
            self._give_up(ticket, why)
        return None

    def _settle(self, timeout: float) -> None:
        for command, outcome in self.sender.poll(timeout):
            self._answered(command, outcome, time.monotonic())

    def _answered(self, command: Command, outcome: Outcome, now: float) -> None:
        ticket, taken_at = self.lanes.flying(command)
        lost = outcome in (LINK_LOST, UNANSWERED)
        if not lost:
            self._stall.answers += 1
            self.budget.answered(taken_at, throttled=outcome.verdict == "throttled")
            self.seconds.observe(now - taken_at)
        blamed = False
        match outcome.verdict:
            case "sent":
                self._quota = None
                self._taken_at = now
                self.counts["sent"] += 1
                self.lanes.sent(ticket, now)
                ticket.finish()
                return
            case "dead":
                self._give_up(ticket, Undeliverable(outcome.reason, outcome.sentence))
                return
            case "queue_full":
                if not self.lanes.hold(ticket, now):
                    self._give_up(ticket, self._waited(ticket, outcome, now))
                return
            case "quota":
                self._quota = f"IoT Hub: {outcome.sentence}"
                self.budget.pause(QUOTA_SECONDS)
            case "throttled":
                self.throttled += 1
            case "refused" if not self.counts["sent"]:
                raise Refused(f"IoT Hub refuses commands: {outcome.sentence}")
            case "retry":
                blamed = outcome != LINK_LOST and now - self._taken_at < RECENT_SECONDS
        if not self.lanes.retry(ticket, now, blamed=blamed):
            self._give_up(ticket, self._waited(ticket, outcome, now))
            return
        self.counts["possible_repeat" if lost else "retried"] += 1
        held = self._repeated.admit(outcome.reason)
        if held is not None:
            logger.warning("Sent again later: %s%s.", outcome.sentence.rstrip("."), and_more(held))

    def _waited(self, ticket: Ticket, outcome: Outcome, now: float) -> Undeliverable:
        return Undeliverable(outcome.reason, f"{outcome.sentence}; {self.lanes.waited(ticket, now)}")

    def _give_up(self, ticket: Ticket, why: Undeliverable) -> None:
        """Gives up a ticket: one in flight is never sent again."""
        self.lanes.finish(ticket)
        self._dead_letter(ticket, why)

    def _dead_letter(self, ticket: Ticket, why: Undeliverable, *, key: bytes | None = None) -> None:
        """Finishes the ticket with a dead letter; `key`: of one without a record. Not while one is handled: see Outbox._send."""
        if not self.commands.has(ticket):
            # Its partition went to another process while it was in flight; that process reads it again and decides.
            return
        record = ticket.record
        letter = letter_of(record, why) if record is not None else letter_of_place(ticket.origin, key, why)
        held = self._repeated.admit(f"dead {why.reason}")
        if held is not None:
            sentence, topic = str(why).rstrip("."), self.dead_letters.topic
            logger.error("%s[%d] at %d: %s. The command goes to %s%s.", *ticket.origin, sentence, topic, and_more(held))

        size = len(letter.value)
        self._dead_bytes += size

        def done() -> None:
            self._dead_bytes -= size
            self.counts["dead_letter"] += 1
            ticket.finish()

        self.dead_letters.send(letter, why.reason, done)

    def _revoked(self, places: list[Place]) -> None:
        """Partitions go to another process: it gets what waits; what is in flight can still be answered here."""
        self._drop(places)
        left = self._child.deadline.remaining() if self._child.deadline is not None else REVOKE_SECONDS
        deadline = Deadline(min(REVOKE_SECONDS, left))
        while not deadline.expired and (self.sender.in_flight or self.dead_letters.in_flight):
            self._settle(0.05)
            self.dead_letters.poll()
            self._child.beat(True, "handing partitions over")

    def _drop(self, places: list[Place]) -> None:
        """Sends nothing more of these partitions, and reads nothing of them again."""
        gone = set(places)
        self._again.drop(places)
        for topic, partition in places:
            self.lanes.drop(topic, partition)
        self._arrived.drop(lambda ticket: ticket.origin[:2] in gone)
        self._found.drop(lambda found: found.origin[:2] in gone)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
