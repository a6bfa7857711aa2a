"""One sink process: commands out of Kafka → lanes → the pace → the hub; offsets behind what is finished.

One thread runs the loop below; librdkafka has its own. A command is finished when the hub has it or its dead letter is
acknowledged; everything else is tried again, in the order of its device.
"""

import logging
import time
from collections import Counter
from pathlib import Path

from confluent_kafka import Message

from ingest.config import Config
from ingest.errors import ConfigError, Problem, Refused, Undeliverable
from ingest.hub.network.route import iot_hub_route
from ingest.kafka.dead_letters.record import DeadLetter
from ingest.kafka.dead_letters.topic import DeadLetterTopic
from ingest.logs import Repeated, and_more
from ingest.metrics.bottleneck import Part, TimeShares
from ingest.metrics.catalogue import SEND_BUCKETS
from ingest.metrics.meter import Histogram
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.sink.commands.command import Command, Origin
from ingest.sink.commands.expiry import check_expiry
from ingest.sink.commands.records import command_of, letter_of, letter_of_place, origin_of, size_of, unexpected
from ingest.sink.commands.unread_fields import Unread
from ingest.sink.ending import Closing, end
from ingest.sink.feedback.topic_reader import FeedbackReader
from ingest.sink.instrumentation import SinkMeasures
from ingest.sink.intake.consumer import CommandConsumer, Place
from ingest.sink.intake.reread import Again, Found
from ingest.sink.pacing.device_queues import DeviceQueues
from ingest.sink.pacing.outstanding import OutstandingLimit
from ingest.sink.pacing.shared_rate import CONTENDED_SECONDS, SharedRate
from ingest.sink.preflight import check_topics
from ingest.sink.sending.results import LINK_LOST, UNANSWERED, Outcome
from ingest.sink.sending.sender import Sender
from ingest.sink.sending.stall_guard import StallGuard
from ingest.timing import Deadline

FETCH = 500
WINDOW = 256
"""Commands in flight of one process; the hub's own link credit is about 100."""
IDLE_SECONDS = 0.05
PACED_SECONDS = 0.005
"""Commands that the pace lets through within so long go out together: a turn of the loop costs more than a command."""
COMMIT_SECONDS = 1.0
REVOKE_SECONDS = 5.0
"""What is in flight when partitions go to another process gets so long to be answered."""
CREDIT_SECONDS = 3_600.0
"""The hub's default time to live: without feedback for this long a message no longer waits in the hub."""
DEAD_LETTERS = 5_000
DEAD_LETTER_BYTES = 16 << 20
"""No more commands are read while so many dead letters, or so large ones, are on their way: they are kept until Kafka
has them, and their producer's queue must not be full."""
RECENT_SECONDS = 60.0
"""A fault of one command is its device's when the hub has taken another within so long."""
QUOTA_SECONDS = 60.0
"""The daily quota is renewed at midnight UTC; until then, so often one command is tried."""

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """The entry of the role `sink`. Returns when asked to stop; raises Refused, RestartRequired or another IngestError."""
    config = child.task.config
    wait_until_available(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: check_topics(config)
    )
    if child.stopping:
        return
    worker = Worker(child)
    worker.start()
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
        self.sender = Sender(hub, config.hub.ca_file, route=iot_hub_route(config, hub))
        self.budget = SharedRate(Path(child.task.shared["budget"]))
        self.lanes = DeviceQueues(
            max_wait_seconds=config.sink.max_wait_seconds,
            # Only full feedback tells the end of every command.
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
            client_id=f"ingest-sink-{self.worker}",
            on_revoked=self._revoked,
        )
        self._again = Again(config.kafka, client_id=f"ingest-sink-{self.worker}-again")
        self._child = child
        self._ack = config.sink.ack
        self._originals: dict[Origin, Message] = {}
        """Records whose commands are in the lanes or on their way, for their dead letters."""
        self._dead_bytes = 0
        """Of dead letters that are on their way."""
        self._reads_ahead = True
        self._taken_at = float("-inf")
        """When the hub took a command last."""
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
        """One turn of the loop."""
        busy = len(self.lanes) or self.lanes.deferred or self.sender.in_flight
        self.shares.enter("decode" if busy else self._waits_for(paced=False))
        messages = self.commands.poll(FETCH if self._may_read() else 0, 0 if busy else IDLE_SECONDS)
        self.shares.enter("decode")
        for message in messages:
            self._take(message)
        while self.commands.unreadable:
            origin, sentence = self.commands.unreadable.pop()
            self._write_off(origin, None, Undeliverable("unreadable", f"Kafka's record cannot be read: {sentence}"))
        self._read_again()
        for device_id, message_id in self._answers.poll() if self._answers is not None else ():
            self.lanes.feedback(device_id, message_id, time.monotonic())
        wait, part = self._send()
        if messages or not self._again.idle:
            # There may be more to read.
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
        troubles = self.sender.trouble, self._stall.trouble, self._quota, kafka, feedback, self.lanes.trouble
        trouble = next(filter(None, troubles), None)
        self._child.beat(trouble is None, trouble or "sending")

    def close(self, deadline: Deadline) -> None:
        """Sends nothing more, waits for answers, commits, leaves the group; all within the deadline."""
        others: list[Closing] = [self._again, *([self._answers] if self._answers is not None else [])]
        end(self._child, deadline, self.sender, self._settle, self.dead_letters, self.commands, others)
        self.budget.close()
        self._child.beat(False, "stopped")

    def _may_read(self) -> bool:
        if not self.lanes.has_room:
            for origin in self.lanes.spill():
                self._originals.pop(origin, None)
        if self.dead_letters.in_flight >= DEAD_LETTERS or self._dead_bytes >= DEAD_LETTER_BYTES:
            return False
        # Past commands that are kept by their places alone it reads on only for devices that would else have to wait.
        enough = WINDOW if self._reads_ahead else WINDOW // 2
        self._reads_ahead = self._may_send and self.lanes.ready(time.monotonic()) < enough
        return self.lanes.has_room and (self._reads_ahead or not self.lanes.deferred)

    @property
    def _may_send(self) -> bool:
        # While Kafka is away nothing can be committed, and what is sent now would be sent again after it.
        reads_back = self._answers is None or self._answers.ready
        return self.sender.ready and reads_back and self.commands.trouble is None

    def _take(self, message: Message) -> None:
        origin = origin_of(message)
        self._originals[origin] = message
        try:
            command = command_of(message, now_ms=_now_ms(), default_ack=self._ack)
        except Undeliverable as why:
            self._dead_letter(origin, why)
            return
        if command is None:
            self.counts["tombstone"] += 1
            self._finish(origin)
        else:
            self._unread.tell(command)
            if not self.lanes.offer(command, time.monotonic(), kept_bytes=size_of(message)):
                del self._originals[origin]

    def _read_again(self) -> None:
        """Fills lanes from the places behind them."""
        for found in self._again.poll():
            self._take_again(found)
        if self.lanes.deferred and self._again.idle and self._may_send:
            self._again.want(self.lanes.wanted(FETCH))

    def _take_again(self, found: Found) -> None:
        command, why = None, None
        if found.message is None:
            why = Undeliverable(
                "deleted",
                "Kafka has deleted the command while it waited for its device: raise the topic's retention.ms.",
            )
        else:
            try:
                command = command_of(found.message, now_ms=_now_ms(), default_ack=self._ack)
            except Undeliverable as bad:
                why = bad
        kept_bytes = 0 if found.message is None else size_of(found.message)
        if not self.lanes.returned(found.device_id, found.origin, command, kept_bytes=kept_bytes):
            return
        if found.message is not None:
            self._originals[found.origin] = found.message
        if why is not None and found.message is not None:
            self._dead_letter(found.origin, why)
        elif why is not None:
            self._write_off(found.origin, found.device_id.encode(), why)

    def _send(self) -> tuple[float, Part]:
        """Sends what the pace allows now; gives the seconds until there may be more to send, and what for."""
        now = time.monotonic()
        window = max(0, WINDOW - self.sender.in_flight) if self._may_send else 0
        wanted = min(window, self.lanes.ready(now))
        granted, pace_wait = self.budget.take(wanted)
        for _ in range(granted):
            command = self._next(now)
            if command is None:
                break
            try:
                self.sender.send(command)
            except Exception as error:  # whatever a library makes of one command, the others go on
                why = unexpected(error)
                self._give_up(command, why.reason, str(why))
        self._stall.may_go = self.sender.in_flight > 0 or (wanted > 0 and pace_wait <= CONTENDED_SECONDS)
        part = self._waits_for(paced=wanted > granted)
        if wanted > granted:
            return min(IDLE_SECONDS, max(PACED_SECONDS, pace_wait)), part
        if granted == window:
            # Only an answer, or a link, makes room.
            return IDLE_SECONDS, part
        lane_wait = self.lanes.wait(now)
        return IDLE_SECONDS if lane_wait is None else min(IDLE_SECONDS, lane_wait) if lane_wait else 0.001, part

    def _waits_for(self, *, paced: bool) -> Part:
        """What a wait is for, now that all has been sent that could be. `paced`: the pace has held commands back."""
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

    def _next(self, now: float) -> Command | None:
        """The next command that has not expired while it waited."""
        while (command := self.lanes.take(now)) is not None:
            try:
                check_expiry(command.expiry_ms, _now_ms())
            except Undeliverable as why:
                self._dead_letter(command.origin, why)
                self.lanes.finish(command)
                continue
            return command
        return None

    def _settle(self, timeout: float) -> None:
        for command, outcome in self.sender.poll(timeout):
            self._answered(command, outcome, time.monotonic())

    def _answered(self, command: Command, outcome: Outcome, now: float) -> None:
        taken_at = self.lanes.taken_at(command)
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
                self.lanes.sent(command, now)
                self._finish(command.origin)
                return
            case "dead":
                self._give_up(command, outcome.reason, outcome.sentence)
                return
            case "queue_full":
                if not self.lanes.hold(command, now):
                    self._give_up(command, outcome.reason, f"{outcome.sentence}; {self.lanes.waited(command, now)}")
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
        if not self.lanes.retry(command, now, blamed=blamed):
            self._give_up(command, outcome.reason, f"{outcome.sentence}; {self.lanes.waited(command, now)}")
            return
        self.counts["possible_repeat" if lost else "retried"] += 1
        held = self._repeated.admit(outcome.reason)
        if held is not None:
            logger.warning("Sent again later: %s%s.", outcome.sentence.rstrip("."), and_more(held))

    def _give_up(self, command: Command, reason: str, sentence: str) -> None:
        self.lanes.finish(command)
        self._dead_letter(command.origin, Undeliverable(reason, sentence))

    def _dead_letter(self, origin: Origin, why: Undeliverable) -> None:
        message = self._originals.get(origin)
        if message is None:
            # Its partition went to another process while it was in flight; that one reads it again and decides.
            return
        self._write_letter(letter_of(message, why), origin, why)

    def _write_off(self, origin: Origin, key: bytes | None, why: Undeliverable) -> None:
        """A dead letter for a record of which nothing is left but its place."""
        self._write_letter(letter_of_place(origin, key, why), origin, why)

    def _write_letter(self, letter: DeadLetter, origin: Origin, why: Undeliverable) -> None:
        held = self._repeated.admit(f"dead {why.reason}")
        if held is not None:
            sentence, topic = str(why).rstrip("."), self.dead_letters.topic
            logger.error("%s[%d] at %d: %s. The command goes to %s%s.", *origin, sentence, topic, and_more(held))

        size = len(letter.value)
        self._dead_bytes += size

        def done() -> None:
            self._dead_bytes -= size
            self.counts["dead_letter"] += 1
            self._finish(origin)

        self.dead_letters.send(letter, why.reason, done)

    def _finish(self, origin: Origin) -> None:
        self._originals.pop(origin, None)
        self.commands.finish(origin)

    def _revoked(self, places: list[Place]) -> None:
        """Partitions go to another process: what waits is left to it, what is in flight may still be answered here."""
        self._again.drop(places)
        for topic, partition in places:
            self.lanes.drop(topic, partition)
        left = self._child.deadline.remaining() if self._child.deadline is not None else REVOKE_SECONDS
        deadline = Deadline(min(REVOKE_SECONDS, left))
        while not deadline.expired and (self.sender.in_flight or self.dead_letters.in_flight):
            self._settle(0.05)
            self.dead_letters.poll()
            self._child.beat(True, "handing partitions over")
        gone = set(places)
        self._originals = {origin: kept for origin, kept in self._originals.items() if origin[:2] not in gone}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
