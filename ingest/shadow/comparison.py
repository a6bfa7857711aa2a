"""Reads two topics for a while and compares their records. Read only.

It begins behind the latest event, on the hub's clock, that either topic has at the start, or at a given time. What has come
to the topics when the time is over counts; what comes later is only looked at for the other record of what counts, until
none is wanted or the grace is over.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final, NamedTuple

from confluent_kafka import Message

from ingest.config import Kafka
from ingest.errors import Refused, Unreachable
from ingest.kafka.admin import Topics
from ingest.kafka.bounded_reader import Ends
from ingest.kafka.client import new_consumer, settings
from ingest.kafka.headers import headers_of
from ingest.shadow.decoding import BadRecord, SchemaOf, decode
from ingest.shadow.matching import SIDES, Matcher, Place, Side
from ingest.shadow.report import Examples, Report
from ingest.shadow.shape import Shape
from ingest.shadow.topic import SETTINGS, GrowingTopic
from ingest.timing import Deadline

ANSWER_SECONDS: Final = 15.0
STALL_SECONDS: Final = 30.0
"""Without a record for so long, the end of a topic is not reached."""
SKEW_MS: Final = 300_000
"""How far a producer's clock can be behind the hub's."""
PROGRESS_SECONDS: Final = 5.0
_TAIL: Final = 500
_FETCH: Final = 1_000
_WAIT_SECONDS: Final = 0.1


class Plan(NamedTuple):
    topics: Mapping[Side, str]
    seconds: float
    grace_seconds: float
    since_ms: int | None
    """Where the comparison begins, Unix milliseconds on the hub's clock; None: now."""
    examples: int


class Progress(NamedTuple):
    """`elapsed` seconds; how many events are equal and differ; records that have not found the other one."""

    elapsed: float
    equal: int
    differing: int
    unmatched: int


def compare(
    kafka: Kafka,
    plan: Plan,
    schema_of: SchemaOf,
    *,
    progress: Callable[[Progress], None],
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Raises Refused if a topic is not there, Unreachable if Kafka does not answer."""
    chosen = settings(kafka)
    # A question about one topic would make it, where the broker makes topics on first use.
    known = Topics(chosen).partitions(Deadline(ANSWER_SECONDS))
    for side in SIDES:
        if plan.topics[side] not in known:
            raise Refused(
                f"topic {plan.topics[side]!r} does not exist, or this user may not see it: correct --topic-{side}"
            )
    with ExitStack() as stack:
        topics: dict[Side, GrowingTopic] = {}
        for side in SIDES:
            consumer = new_consumer({**SETTINGS, **chosen, "enable.auto.commit": False})
            stack.callback(consumer.close)
            topics[side] = GrowingTopic(consumer, plan.topics[side], known[plan.topics[side]])
        return _Comparison(topics, plan, schema_of, progress, clock).run()


class _Comparison:
    def __init__(
        self,
        topics: dict[Side, GrowingTopic],
        plan: Plan,
        schema_of: SchemaOf,
        progress: Callable[[Progress], None],
        clock: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._plan = plan
        self._schema_of = schema_of
        self._progress = progress
        self._clock = clock
        self._examples = Examples(plan.examples)
        self._matcher = Matcher(self._examples.differs)
        self._unreadable: dict[Side, int] = {"old": 0, "new": 0}
        self._since_ms = 0
        self._ends: dict[Side, dict[int, Ends]] | None = None
        """Behind what counts; None as long as all does."""
        self._began = self._said_at = clock()

    def run(self) -> Report:
        self._start()
        self._read(self._plan.seconds)
        if not self._matcher.is_full:
            self._ends = {side: self._topics[side].ends(Deadline(STALL_SECONDS)) for side in SIDES}
            self._read_to_the_ends(self._ends)
            self._read(self._plan.grace_seconds, while_open=True)
        for side in SIDES:
            self._unreadable[side] += self._topics[side].lost
        return Report(
            self._plan.topics,
            self._matcher,
            self._examples,
            unreadable=self._unreadable,
            since_ms=self._since_ms,
            grace_seconds=self._plan.grace_seconds,
        )

    def _start(self) -> None:
        deadline = Deadline(STALL_SECONDS)
        since = self._plan.since_ms
        if since is not None:
            self._since_ms = since
            for topic in self._topics.values():
                topic.start(topic.offsets_at(max(0, since - SKEW_MS), deadline))
            return
        ends = {side: self._topics[side].ends(deadline) for side in SIDES}
        for side, topic in self._topics.items():
            for message in topic.tail(ends[side], _TAIL, deadline):
                shape = self._shape(message)
                if isinstance(shape, Shape) and shape.enqueued_ms is not None:
                    self._since_ms = max(self._since_ms, shape.enqueued_ms + 1)
        for side, topic in self._topics.items():
            topic.start({partition: end.high for partition, end in ends[side].items()})

    def _read(self, seconds: float, *, while_open: bool = False) -> None:
        until = self._clock() + seconds
        while self._clock() < until and not self._matcher.is_full and (not while_open or self._matcher.is_open()):
            self._turn(SIDES)

    def _read_to_the_ends(self, ends: Mapping[Side, Mapping[int, Ends]]) -> None:
        moved_at = self._clock()
        while not self._matcher.is_full:
            waiting = tuple(side for side in SIDES if not self._topics[side].has_come_to(ends[side]))
            if not waiting:
                return
            if self._turn(waiting):
                moved_at = self._clock()
            elif self._clock() - moved_at > STALL_SECONDS:
                topic = self._topics[waiting[0]]
                raise Unreachable(f"the end of topic {topic.name} was not reached: {topic.trouble}")

    def _turn(self, sides: tuple[Side, ...]) -> bool:
        """Whether records came. The topic that is behind is read first, so that few records have to wait."""
        self._say()
        for side in sorted(sides, key=lambda each: self._matcher.newest_ms[each] or 0):
            messages = self._topics[side].poll(_FETCH, _WAIT_SECONDS)
            for message in messages:
                self._take(side, message)
            if messages:
                return True
        return False

    def _take(self, side: Side, message: Message) -> None:
        shape = self._shape(message)
        place = Place(message.partition() or 0, message.offset() or 0)
        counts = self._ends is None or place.offset < self._ends[side][place.partition].high
        if isinstance(shape, BadRecord):
            if counts and message.timestamp()[1] >= self._since_ms:
                self._unreadable[side] += 1
                self._examples.cannot_be_read(side, *place, str(shape))
            return
        time_ms = _time_ms(shape, message)
        if time_ms >= self._since_ms:
            self._matcher.add(side, shape, place, time_ms, counts=counts)

    def _shape(self, message: Message) -> Shape | BadRecord:
        value = message.value()
        try:
            return decode(value if isinstance(value, bytes) else None, headers_of(message), self._schema_of)
        except BadRecord as bad:
            return bad

    def _say(self) -> None:
        now = self._clock()
        if now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            matcher = self._matcher
            self._progress(
                Progress(now - self._began, matcher.equal, matcher.differing + matcher.unequal, matcher.unmatched)
            )


def _time_ms(shape: Shape, message: Message) -> int:
    """The event's time; of one without, the record's."""
    found = shape.enqueued_ms
    return message.timestamp()[1] if found is None else found
