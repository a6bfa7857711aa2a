"""Command records out of Kafka: one member of the consumer group, and what it may commit.

What is finished after a command that is held back goes into the commit's metadata, so that the partition's next reader
skips it (`finished`).
"""

import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.config import Kafka
from ingest.errors import RestartRequired
from ingest.kafka.client import STATISTICS_MS, ClientHealth, new_consumer, settings
from ingest.kafka.leaving import leave
from ingest.kafka.unreadable import Unreadable
from ingest.logs import Repeated, and_more
from ingest.sink.commands.command import Origin
from ingest.sink.intake.finished import MAX_BYTES, NOTHING, decode, encode
from ingest.sink.intake.held_back import HeldBack
from ingest.sink.intake.offsets import OffsetTracker
from ingest.sink.intake.ticket import Ticket
from ingest.timing import Deadline

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""

DEFAULTS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    # A partition moves without stopping the others.
    "partition.assignment.strategy": "cooperative-sticky",
    # The partitions of a killed process stand still for this long; the default is 45 s.
    "session.timeout.ms": 10_000,
    # At each heartbeat a member hears that others have come or gone; until the last one has, none can commit.
    "heartbeat.interval.ms": 1_000,
    "queued.max.messages.kbytes": 8_192,
    # The only sign of the partition's end if its last offsets are without a record (transactions, compaction).
    "enable.partition.eof": True,
    "statistics.interval.ms": STATISTICS_MS,
}

COMMITTED_SECONDS: Final = 5.0
"""How long a new partition waits to learn what was finished after its committed offset."""
LAST_COMMIT_SECONDS: Final = 1.0
"""How long the last commit of partitions that go to another member is tried."""
_AGAIN_SECONDS: Final = 0.05
_SHARING: Final = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS})
"""Answers to a commit while the group shares out anew. A commit waits behind the request to join, on the same connection, and
the group is a generation further when its turn comes: so every commit in that time fails, and only a later one succeeds."""
logger = logging.getLogger(__name__)


class CommandConsumer:
    """`start, poll, commit, close`, on one thread. Commits the contiguous prefix of finished tickets, and with it what
    is finished after that."""

    def __init__(
        self,
        kafka: Kafka,
        topics: tuple[str, ...],
        group: str,
        *,
        client_id: str,
        on_revoked: Callable[[list[Place]], None],
        on_lost: Callable[[list[Place]], None],
        must_leave: Callable[..., str | None] = lambda **_: None,
    ) -> None:
        """`on_revoked` is called, inside `poll` or `close`, before partitions go to another member: it finishes or
        drops their tickets in flight. `on_lost`, when they already are another's, or are not what they were: it drops
        their tickets, and nothing of them is committed. `must_leave(holds=…)` is asked after each assignment, with whether
        this member has partitions: why it may not go on as a member, or None."""
        self.unreadable: list[tuple[Ticket, str]] = []
        """Tickets of unreadable places that `poll` skipped, and why; the caller takes them out and finishes them."""
        self.uncommitted = False
        """Whether `close` could not commit all that is finished, or is still trying."""
        self._topics = topics
        self._config = {**DEFAULTS, "client.id": client_id, "group.id": group, **settings(kafka)}
        self._health = ClientHealth(self._config)
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._must_leave = must_leave
        self._unwanted: str | None = None
        self._prefixes: dict[Place, OffsetTracker] = {}
        self._committed: dict[Place, tuple[int, int]] = {}
        """Offset and number of finishes as of the last commit, answered or not."""
        self._confirmed: dict[Place, tuple[int, int]] = {}
        """The same as Kafka has it, by what was read at first, and by the last commit that was waited for."""
        self._metadata_bytes = MAX_BYTES
        self._stable: dict[Place, int] = {}
        """Where an open transaction begins, or else the end; as of the last statistics."""
        self._held_back = HeldBack()
        self._unreadable: dict[Place, Unreadable] = {}
        self._paused: bool | None = False
        """None: some partitions can be paused and others not."""
        self._closing = False
        self._repeated = Repeated()
        self._consumer: Consumer | None = None

    def start(self) -> None:
        callbacks = self._health.callbacks() | {"stats_cb": self._on_statistics, "on_commit": self._on_commit}
        self._consumer = new_consumer(self._config, **callbacks)
        self._consumer.subscribe(
            list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    @property
    def trouble(self) -> str | None:
        """Why Kafka cannot be reached, in words; None while it can."""
        return self._health.trouble

    @property
    def silence(self) -> str | None:
        """Which broker owes answers and gives none, in words; else None. Not a reason to stop: others can answer."""
        return self._health.silence

    @property
    def assigned(self) -> list[Place]:
        return list(self._prefixes)

    @property
    def lag(self) -> int:
        """The unfinished records of the assigned partitions, as of the last fetch. Records of open transactions
        cannot be read and do not count."""
        lag = 0
        for place, prefix in list(self._prefixes.items()):  # as in `_high`: partitions can be forgotten meanwhile
            lag += prefix.unfinished
            high = self._high(*place)
            if high is not None and prefix.end is not None:
                lag += max(0, min(high, self._stable.get(place, high)) - prefix.end)
        return lag

    def poll(self, count: int, timeout: float) -> list[Ticket]:
        """Returns tickets of up to `count` records; with 0, only serves the group and fetches nothing more for now. Raises
        RestartRequired if this member must leave the group."""
        consumer = self._started
        self._pause(count == 0)
        messages = consumer.consume(max(count, 1), timeout)
        if self._unwanted is not None:
            raise RestartRequired(self._unwanted)
        tickets = []
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            error = message.error()
            if error is not None:
                self._failed(error, place, message.offset() or 0)
            elif place in self._prefixes:
                offset = message.offset() or 0
                prefix = self._prefix(place, offset)
                if prefix.add(offset, message.leader_epoch()):
                    tickets.append(Ticket(Origin(*place, offset), message, prefix))
        return tickets

    def ticket(self, origin: Origin, record: Message | None) -> Ticket:
        """Returns a ticket for a place that was read and is not finished; `record`: what was found there, if
        anything."""
        return Ticket(origin, record, self._prefixes.get((origin.topic, origin.partition)))

    def has(self, ticket: Ticket) -> bool:
        """Whether its partition has been this member's since the read. If not, another member reads it again."""
        return ticket.belongs_to(self._prefixes.get((ticket.origin.topic, ticket.origin.partition)))

    def commit(self, *, wait: bool = False) -> None:
        """Commits what is finished. `wait`: returns when Kafka has it, or has not taken it within a second."""
        if wait:
            self._commit_for_sure(list(self._prefixes), Deadline(LAST_COMMIT_SECONDS))
            return
        offsets = self._to_commit(list(self._prefixes), self._committed)
        if not offsets:
            return
        try:
            self._started.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0], offsets)

    def close(self, seconds: float = LAST_COMMIT_SECONDS) -> None:
        """Commits, trying for `seconds` at most unless Kafka is silent, and leaves the group."""
        self._closing = True
        if self._consumer is not None:
            self.uncommitted = True
            # Before the client closes: from then on it hears no more of a new generation.
            self.uncommitted = not self._commit_for_sure(list(self._prefixes), Deadline(seconds))
            leave(self._consumer)
            self._consumer = None

    def _to_commit(self, places: list[Place], known: dict[Place, tuple[int, int]]) -> list[TopicPartition]:
        """Returns what there is to commit besides what is `known`."""
        offsets = []
        for place in places:
            prefix = self._prefixes.get(place)
            offset = prefix.commit if prefix is not None else None
            if prefix is None or offset is None or (offset, prefix.finishes) == known.get(place):
                continue
            metadata = encode(offset, prefix.runs(), prefix.epoch, self._metadata_bytes)
            offsets.append(TopicPartition(*place, offset, metadata))
            self._committed[place] = (offset, prefix.finishes)
        return offsets

    def _commit_for_sure(self, places: list[Place], deadline: Deadline) -> bool:
        """Commits and waits, again while the answers are those of a group that shares out anew, or another try can help.
        Returns whether Kafka has everything."""
        while True:
            # An earlier commit that was not waited for counts as none: its refusal may be on its way.
            offsets = self._to_commit(places, self._confirmed)
            error = self._refusal(offsets) if offsets else None
            if error is None:
                self._confirmed |= {
                    (done.topic, done.partition): self._committed[done.topic, done.partition] for done in offsets
                }
                return True
            passing = error.code() in _SHARING or error.retriable() or self._shrinks(error)
            if deadline.expired or not passing:
                self._on_commit(error, offsets)
                return False
            time.sleep(min(_AGAIN_SECONDS, deadline.remaining()))

    def _refusal(self, offsets: list[TopicPartition]) -> KafkaError | None:
        """Commits and waits for the answer. Returns the first error in it; None if Kafka has all."""
        try:
            answers = self._started.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            refusal: KafkaError = error.args[0]
            return refusal
        return next((answer.error for answer in answers or () if answer.error is not None), None)

    def _shrinks(self, error: KafkaError) -> bool:
        """Makes the metadata of the next commits smaller if this error says that it is too large. Returns whether it does."""
        too_large = error.code() == KafkaError.OFFSET_METADATA_TOO_LARGE
        if too_large:
            # The broker's offset.metadata.max.bytes is below its default.
            self._metadata_bytes //= 2
        return too_large

    @property
    def _started(self) -> Consumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _high(self, topic: str, partition: int) -> int | None:
        consumer = self._consumer
        # While another thread closes the client, every other call of it waits for that, however long it takes.
        if consumer is None or self._closing:
            return None
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)[1]
        except (KafkaException, TypeError):
            return None

    def _pause(self, wanted: bool) -> None:
        if wanted != self._paused and self._prefixes:
            places = [TopicPartition(*place) for place in self._prefixes]
            if wanted:
                self._started.pause(places)
            else:
                self._started.resume(places)
            self._paused = wanted

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for new in partitions:
            self._prefixes[new.topic, new.partition] = OffsetTracker()
        for found in self._found(partitions):
            self._go_on(found)
        self._paused = None
        if not self._closing:
            self._unwanted = self._must_leave(holds=bool(self._prefixes))
        if partitions:
            logger.info("Commands come from %s.", ", ".join(f"{new.topic}[{new.partition}]" for new in partitions))

    def _found(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Returns what earlier members have committed; without an answer now, commands repeat, but none is lost."""
        if self._closing or not partitions:
            return []
        try:
            return self._started.committed(partitions, timeout=COMMITTED_SECONDS)
        except KafkaException as error:
            logger.warning(
                "What was finished of new partitions is not known: %s. It is sent again.", error.args[0].str()
            )
            return []

    def _go_on(self, found: TopicPartition) -> None:
        """Goes on from where an earlier member has stopped."""
        if found.error is not None or found.offset < 0:
            return
        place = (found.topic, found.partition)
        finished = decode(found.offset, found.metadata)
        if finished is None:
            logger.warning(
                "%s[%d]: the metadata of the committed offset is not ingest's, so what was finished behind it is not known.",
                *place,
            )
        prefix = self._prefixes[place] = OffsetTracker(found.offset, finished or NOTHING)
        self._committed[place] = self._confirmed[place] = (found.offset, prefix.finishes)

    def _prefix(self, place: Place, offset: int) -> OffsetTracker:
        """Returns the partition's tracker; a new one if Kafka restarted the partition at an offset already read."""
        prefix = self._prefixes[place]
        if prefix.end is not None and offset < prefix.end:
            logger.warning(
                "%s[%d] goes on at %d, and was read to %d: it was cut off or made anew.", *place, offset, prefix.end
            )
            self._on_lost([place])
            prefix = self._prefixes[place] = OffsetTracker()
            self._committed.pop(place, None)
            self._confirmed.pop(place, None)
        return prefix

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(gone.topic, gone.partition) for gone in partitions]
        self._on_revoked(places)
        # While the client closes, one try: `close` has tried before.
        if not self._commit_for_sure(places, Deadline(0 if self._closing else LAST_COMMIT_SECONDS)):
            logger.warning("The last commands of partitions that go to another process can be sent twice.")
        self._forget(places)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """The group went on without this member: what it holds already belongs to others and must not be committed."""
        places = [(gone.topic, gone.partition) for gone in partitions]
        self._forget(places)
        self._on_lost(places)

    def _forget(self, places: list[Place]) -> None:
        for place in places:
            self._prefixes.pop(place, None)
            self._committed.pop(place, None)
            self._confirmed.pop(place, None)
            self._stable.pop(place, None)
            self._unreadable.pop(place, None)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for failed in partitions:
            error = error or failed.error
        if error is None:
            return
        for failed in partitions:
            self._committed.pop((failed.topic, failed.partition), None)
        if error.code() in _SHARING:
            return  # at each coming and going; the next commit has them
        self._shrinks(error)
        held = self._repeated.admit(f"commit {error.name()}")
        if held is not None:
            logger.warning("Offsets not committed (they will be again): %s%s.", error.str(), and_more(held))

    def _failed(self, error: KafkaError, place: Place, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            if place in self._prefixes:
                self._prefix(place, offset).reach(offset)
            return
        if error.fatal():
            raise RestartRequired(f"Kafka consumer: {error.str()}")
        self._health.on_error(error)
        if place in self._prefixes and self._unreadable.setdefault(place, Unreadable()).is_certain(error, offset):
            self._pass_over(place, offset, error)

    def _pass_over(self, place: Place, offset: int, error: KafkaError) -> None:
        """Skips what cannot be read: in a batch, whose offset this is then, one record after the other."""
        prefix = self._prefixes[place]
        at = max(offset, prefix.end or 0)
        try:
            self._started.seek(TopicPartition(*place, at + 1))
        except KafkaException as failed:
            self._health.on_error(failed.args[0])
            return
        if prefix.add(at):
            self.unreadable.append((self.ticket(Origin(*place, at), None), error.str()))

    def _on_statistics(self, text: str) -> None:
        self._health.on_statistics(text)
        if self._config.get("isolation.level") == "read_uncommitted":
            return
        for topic, told in orjson.loads(text).get("topics", {}).items():
            for partition in told["partitions"].values():
                place = (topic, partition["partition"])
                if place in self._prefixes and partition["ls_offset"] >= 0:
                    self._stable[place] = partition["ls_offset"]
                    self._held_back.take(*place, partition["ls_offset"], partition["hi_offset"])
