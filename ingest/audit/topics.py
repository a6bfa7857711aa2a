"""Reads the records of a stretch of time from a topic and its dead letters, without a trace: no group, no offset.

A record has the event's time, or that of its writing where the topic says so (`LogAppendTime`) or the event has no date;
neither is earlier than the event. So no record of the stretch is in front of the first one with a time in it. Behind the first
one with a later time there can be some: another partition of the hub was behind, or events were sent again. Dead letters have
the time of their writing, so they are read to the end of their topic.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, Message

from ingest.audit import uncommitted
from ingest.audit.bodies import Bodies, content_of
from ingest.audit.counting import Held, new_counting
from ingest.audit.sightings import Foreign, Sighting, of_letter, of_record
from ingest.audit.uncommitted import settled_ends
from ingest.config import Kafka
from ingest.errors import Refused, Unreachable
from ingest.kafka.admin import Topics
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, ends_of, offsets_at
from ingest.kafka.client import new_consumer, settings
from ingest.kafka.headers import UndecodableNamesKept
from ingest.kafka.position_topic import POLICY
from ingest.shadow.decoding import SchemaOf
from ingest.timing import Deadline

BESIDE_MS: Final = 600_000
"""So much of the time in front of the stretch and behind it is read as well: the events beside it prove its ends, and a
partition of the hub that was behind by less has its records there."""
ANSWER_SECONDS: Final = 15.0
STALL_SECONDS: Final = 60.0
"""Without a record for so long, a topic cannot be read."""
_FETCH: Final = 250
"""Records at once. Of many more, the objects of their headers leave the processor's cache before they are used, and make the
garbage collector run again and again."""
_WAIT_SECONDS: Final = 0.1
_SETTINGS: Final[Mapping[str, object]] = {
    **CONSUMER,
    # What is fetched is compressed, and several times as large in memory: with librdkafka's own values, 400 MiB.
    "fetch.max.bytes": 1_048_576,
    "max.partition.fetch.bytes": 262_144,
    "queued.min.messages": 5_000,
    "queued.max.messages.kbytes": 16_384,
    # librdkafka wants a group; nobody joins it.
    "group.id": "ingest-audit",
}
_OURS: Final[Mapping[str, object]] = {"enable.auto.commit": False, "isolation.level": "read_committed"}
"""On top of the user's settings: what a transaction has not committed is not there."""


class Reading:
    """What has been read of one topic."""

    def __init__(
        self,
        name: str,
        from_ms: int,
        to_ms: int,
        *,
        letters: bool = False,
        event_hub: str | None = None,
        with_bodies: bool = False,
    ) -> None:
        """`letters`: it is the topic of dead letters, and only those of this event hub count (None: of any)."""
        self.name = name
        self.counting = new_counting(from_ms, to_ms)
        self.records = 0
        """All that were read, those beside the stretch included."""
        self.not_ours = 0
        """Records with a time in the stretch that ingest has not written."""
        self.unplaced = 0
        """Records that do not say the partition of the hub."""
        self.is_cut = False
        """Whether the topic may have deleted records of the stretch."""
        self.bodies: dict[str, Bodies] = {}
        self.letters = letters
        self._event_hub = event_hub
        self._with_bodies = with_bodies
        self._from_ms, self._to_ms = from_ms, to_ms

    def take(self, messages: Sequence[Message], schema_of: SchemaOf, only_partition: str | None) -> None:
        """Counts records. `only_partition`: the hub's, where it has no other. Raises Refused."""
        self.records += len(messages)
        with UndecodableNamesKept():
            headers: list[Held] = [_pairs(message) for message in messages]

        def other(message: Message, held: Held) -> None:
            self._take_one(message, held or (), schema_of, only_partition)

        try:
            if self._with_bodies or self.letters:
                for message, held in zip(messages, headers, strict=True):
                    other(message, held)
            else:
                self.counting.take(messages, headers, other)
        except OverflowError:
            raise Refused(
                f"the sequence numbers in topic {self.name} are too far apart to be counted in bounded memory: audit a "
                "shorter time"
            ) from None

    def _take_one(self, message: Message, headers: Sequence[tuple[str, str | bytes | None]], schema_of: SchemaOf,
                  only_partition: str | None) -> None:  # fmt: skip
        value = message.value()
        content = value if isinstance(value, bytes) else None
        try:
            sighting = of_letter(headers, self._event_hub) if self.letters else of_record(content, headers, schema_of)
        except Foreign:
            self.not_ours += self._from_ms <= message.timestamp()[1] < self._to_ms
            return
        if not sighting.partition:
            if only_partition is None:
                self.unplaced += 1
                return
            sighting = sighting._replace(partition=only_partition)
        self.counting.add(sighting, message.partition() or 0)
        if self._with_bodies:
            self._keep_body(sighting, content or b"", headers, schema_of)

    def _keep_body(
        self,
        sighting: Sighting,
        value: bytes,
        headers: Sequence[tuple[str, str | bytes | None]],
        schema_of: SchemaOf,
    ) -> None:
        try:
            content = content_of(value, headers, schema_of)
        except (ValueError, KeyError, TypeError, AttributeError):
            content = b""  # whatever it was, it is not what the hub has
        if content is not None:
            self.bodies.setdefault(sighting.partition, Bodies()).put(sighting.number, content)


def _pairs(message: Message) -> Held:
    headers = message.headers()
    return list(headers.items()) if isinstance(headers, dict) else headers


class TopicReader:
    """Reads one topic: `read` the stretch, then `read_on` to the end, if anything is missing."""

    def __init__(self, kafka: Kafka, reading: Reading, partitions: int, from_ms: int, to_ms: int) -> None:
        """Raises Unreachable."""
        self.reading = reading
        self._kafka = kafka
        self._name = reading.name
        deadline = Deadline(ANSWER_SECONDS)
        chosen = {**_SETTINGS, **settings(kafka), **_OURS}
        self._consumer: Consumer = new_consumer(chosen)
        try:
            with closing(new_consumer({**chosen, "isolation.level": "read_uncommitted"})) as written:
                self._ends, held = settled_ends(self._consumer, written, self._name, partitions, deadline)
            self.held_back = uncommitted.words(self._name, self._ends, held) if held else None
            """Why records that were written are not read; None if they are."""
            begin = self._at(from_ms, deadline)
            reading.is_cut = any(end.low == begin[partition] > 0 for partition, end in self._ends.items())
            self._from, self._until = begin, {partition: end.high for partition, end in self._ends.items()}
            if not reading.letters:
                self._from = self._at(from_ms - BESIDE_MS, deadline)
                self._until = self._at(to_ms + BESIDE_MS, deadline)
        except BaseException:
            self._consumer.close()
            raise

    def _at(self, milliseconds: int, deadline: Deadline) -> dict[int, int]:
        return offsets_at(self._consumer, self._name, self._ends, milliseconds, deadline)

    def close(self) -> None:
        self._consumer.close()

    def doubts(self) -> list[str]:
        """Returns sentences on why what is missing can have been there. Raises Unreachable."""
        found = [] if self.held_back is None else [self.held_back]
        deadline = Deadline(ANSWER_SECONDS)
        policy = Topics(settings(self._kafka)).setting(self._name, POLICY, deadline.remaining()) or ""
        if "compact" in policy:
            found.append(
                f"Topic {self._name} is compacted ({POLICY} = {policy}). Kafka keeps the last record of each key alone, and "
                "what it dropped counts as missing."
            )
        lows = ends_of(self._consumer, self._name, len(self._ends), deadline)
        if self.reading.is_cut or any(lows[partition].low > first for partition, first in self._from.items()):
            found.append(
                f"Topic {self._name} has deleted what is older, perhaps of this time too: that counts as missing, or is not "
                "known."
            )
        return found

    @property
    def is_at_end(self) -> bool:
        """Whether the stretch reaches to the end that the topic had."""
        return all(self._until[partition] >= end.high for partition, end in self._ends.items())

    def read(self, taken: Callable[[Sequence[Message], float], bool]) -> None:
        """Calls `taken` with records and the share that is read, until it returns False. Raises Unreachable."""
        self._read({partition: (first, self._until[partition]) for partition, first in self._from.items()}, taken)

    def read_on(self, taken: Callable[[Sequence[Message], float], bool]) -> None:
        """The same for what is behind the stretch, to the end that the topic had at the start."""
        self._read({partition: (self._until[partition], end.high) for partition, end in self._ends.items()}, taken)

    def _read(self, spans: Mapping[int, tuple[int, int]], taken: Callable[[Sequence[Message], float], bool]) -> None:
        reader = BoundedReader(self._consumer, self._name, spans)
        total = sum(max(0, end - start) for start, end in spans.values())
        silence = Deadline(STALL_SECONDS)
        while not reader.done:
            messages = reader.poll(_FETCH, _WAIT_SECONDS)
            left = sum(max(0, end - reader.next[partition]) for partition, (_, end) in spans.items())
            if messages:
                silence = Deadline(STALL_SECONDS)
            elif silence.expired:
                raise Unreachable(f"the end of topic {self._name} was not reached: {reader.trouble}")
            if not taken(messages, 1 - left / total if total else 1.0):
                return


def partitions_of(kafka: Kafka, names: Sequence[str], more: Sequence[str]) -> dict[str, int]:
    """Returns how many partitions each topic has, those of `more` if they exist. Raises Refused if another one does not
    exist, Unreachable."""
    # A question about one topic would make it, where the broker makes topics on first use.
    known = Topics(settings(kafka)).partitions(Deadline(ANSWER_SECONDS))
    for name in names:
        if name not in known:
            raise Refused(f"topic {name!r} does not exist, or this user may not see it: name another with --topic")
    return {name: known[name] for name in (*names, *more) if name in known}
