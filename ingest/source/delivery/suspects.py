"""Which of the refused records are to blame themselves, and in which order everything is tried again. Pure.

A broker refuses a batch for one record in it, and rarely says which. So what was refused is sent again in smaller and
smaller chunks, each with nothing else on its way, until a record is refused alone. Such a record is a **suspect**: it
can be bad, or the cluster can be (a broker's clock that is behind, a lowered limit, an interceptor that fails). A
suspect is held back, and what comes after it decides:

- **Its topic partition takes another record.** The cluster works, so the suspect is tried once more and then blamed.
- **It takes none, and many suspects stand in a row there** (`MANY`, or `MANY_DEVICES` devices; a row over any
  partitions counts, too). The cluster is at fault: no record is blamed, all are held, and tried again with growing
  pauses, in order. After each such round one more record is tried, of another device if there is one: if all these
  records are bad after all, the first good one shows it, and everything goes on.
- **Nothing else comes.** A few suspects without any record to compare with are blamed after `PATIENCE_SECONDS`: a bad
  record at the end of the day must not hold the position until the next morning.

So a row of bad records of one device ends in dead letters as soon as the partition takes anything else, or if the row
is shorter than `MANY`; a broken cluster costs at worst a few dead letters if events are so rare that none follows
within the patience. A partition with a single device that sends more than `MANY` bad records in a row is held until it
sends a good one: it looks just like a broken cluster.

Order holds by key. No record of a device is sent ahead of its earlier ones, unless those were just refused. If one of
those is taken later after all, the records that have overtaken it are sent again after it: the last copy of each record
is in order.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from confluent_kafka import KafkaError

from ingest.kafka.errors import innocent
from ingest.kafka.outbox import MOST_AT_ONCE, Answer
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from ingest.timing import Backoff

MANY = 20
MANY_DEVICES = 5
TRIES = 3
"""How often in a row a record is refused alone before it is a suspect; only once behind another suspect."""
PATIENCE_SECONDS = 1.0
"""How long nothing else has to come before a suspect is blamed."""
LONG_SECONDS = 30.0
"""A suspect is blamed after this time if only other partitions of the topic get records."""
MOST_HELD = 100
ROW_SECONDS = 600.0
"""A row that has not grown for this long is over."""


class Entry:
    """One event that does not take the usual way. `key_of` gives the key of its record."""

    __slots__ = (
        "_key",
        "_key_of",
        "batch",
        "error",
        "event",
        "held",
        "held_at",
        "needed",
        "partition",
        "proved",
        "repeat",
        "taken_at",
        "tries",
    )

    def __init__(
        self,
        batch: Batch,
        event: Received,
        key_of: Callable[[Received], bytes | None],
        *,
        repeat: bool = False,
        taken_at: int = 0,
    ) -> None:
        self.batch = batch
        self.event = event
        self.repeat = repeat
        """It is already in Kafka, and sent again only if something that belongs before it ends up after it."""
        self.taken_at = taken_at
        """For a repeat: the turn in which Kafka has taken it."""
        self.needed = not repeat
        """Whether it must be sent. For a repeat: whether that has become necessary."""
        self.tries = 0
        self.error: KafkaError | None = None
        """Error of the last refusal. If the entry waits: the broker named this record as the bad one of its batch."""
        self.partition = -1
        """The topic's partition that refused it."""
        self.held = False
        self.held_at = 0.0
        self.proved = False
        """Whether its partition takes other records: if it is refused once more, it is to blame."""
        self._key_of = key_of
        self._key: bytes | Literal["unknown"] | None = "unknown"

    @property
    def order(self) -> int:
        return self.event.sequence_number

    @property
    def key(self) -> bytes | None:
        """Made on demand: it costs as much as the record."""
        if self._key == "unknown":
            self._key = self._key_of(self.event)
        return self._key

    def belongs_before(self, other: "Entry") -> bool:
        return self.key == other.key and self.order < other.order

    def as_repeat(self, turn: int) -> "Entry":
        return Entry(self.batch, self.event, self._key_of, repeat=True, taken_at=turn)


class _Row:
    """Suspects that came without an acknowledged record between them."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: set[bytes | None] = set()
        self.grown_at = 0.0

    def add(self, key: bytes | None, now: float) -> None:
        if now - self.grown_at > ROW_SECONDS:
            self.end()
        self.count += 1
        self.keys.add(key)
        self.grown_at = now

    def end(self) -> None:
        self.count = 0
        self.keys = set()

    @property
    def many(self) -> bool:
        return self.count >= MANY or len(self.keys) >= MANY_DEVICES


class Suspects:
    """The `Isolation` of events: see above."""

    together = True

    def __init__(self, backoff: Callable[[], Backoff] = lambda: Backoff(0.1, 5.0)) -> None:
        self.waiting: deque[Entry] = deque()
        self.held: list[Entry] = []
        """Suspects, in order."""
        self._at_once = MOST_AT_ONCE
        self._marked = False
        """Whether repeats, or records that the broker has named, can be among those that wait."""
        self._turn = 0
        self._taken: dict[bytes | None, int] = {}
        """While something is marked: key → the last turn in which Kafka took something of it."""
        self._rows: dict[int, _Row] = {}
        self._row = _Row()
        """The row over all partitions."""
        self._backoff = backoff()
        self._pause_until = 0.0
        self._settled_at = 0.0
        self._round: deque[Entry] = deque()
        """Suspects to try in this round."""
        self._try_another = False

    @property
    def busy(self) -> bool:
        """Whether everything must come this way, as something waits or was refused recently."""
        return bool(self.waiting or self.held) or self._at_once < MOST_AT_ONCE

    def __len__(self) -> int:
        return len(self.waiting) + len(self.held)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent, in words: the cluster seems to be at fault."""
        row = self._many()
        if row is None:
            return None
        why = Counter(entry.error.str() for entry in self.held if entry.error is not None).most_common(1)[0][0]
        return f"Kafka refuses all records alike, {row.count} in a row ({why}); they are held back and tried again"

    def add(self, entries: Iterable[Entry]) -> None:
        """Adds entries after all that wait."""
        self.waiting.extend(entries)

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Puts entries before all that wait; suspects stay where they are."""
        self.waiting.extendleft(entry for entry in reversed(entries) if not entry.held)

    def forget(self, entry: Entry) -> None:
        """Drops an entry that is a dead letter for its own reason, or was acknowledged when nothing more is sent."""
        if entry.held:
            self._release(entry)

    def pause(self, now: float) -> None:
        """Pauses sending, longer each time until something is acknowledged."""
        self._pause_until = now + self._backoff.next()

    def keep(self, entry: Entry) -> None:
        """Takes back a blamed entry that is not a dead letter yet: it is tried again first."""
        self._hold(entry, entry.held_at)
        entry.proved = True

    def next(self, now: float, on_the_way: int = 0) -> list[Entry]:
        if now < self._pause_until:
            return []
        many = self._many()
        for repeat in [entry for entry in self.held if not (entry.needed or self._may_be_late(entry))]:
            self._release(repeat)
        if many is None:
            quiet = not self._others and now - self._settled_at > PATIENCE_SECONDS
            for entry in self.held:
                if entry.needed and (entry.proved or quiet or now - entry.held_at > LONG_SECONDS):
                    entry.proved = True
                    return [entry]
            return self._chunk(self._at_once)
        proved = next((entry for entry in self.held if entry.proved and entry.needed), None)
        if proved is not None:
            return [proved]
        if not self._round and not self._try_another:
            self._round = deque(self._round_of())
            self._try_another = len(self.held) < MOST_HELD
        if self._round:
            return [self._round.popleft()]
        self._try_another = False
        self.pause(now)
        return self._chunk(1) or self._repeat()

    def settled(self, answers: Sequence[Answer[Entry]], now: float) -> list[Entry]:
        self._turn += 1
        self._settled_at = now
        for entry, error, partition in answers:
            if error is None:
                self._accepted(entry, partition)
        refused = [answer for answer in answers if answer.error is not None]
        if not refused:
            self._at_once = min(MOST_AT_ONCE, 2 * self._at_once)
            return []
        for entry, error, partition in refused:
            entry.error, entry.partition = error, -1 if partition is None else partition
        if len(answers) == 1:
            self._at_once = 1
            return self._refused_alone(answers[0].item, now)
        self._refused_together(answers)
        return []

    def accepted_elsewhere(self) -> None:
        """Notes that records that did not come this way were acknowledged."""
        self._row.end()

    def _refused_alone(self, entry: Entry, now: float) -> list[Entry]:
        if entry.held:
            if not entry.proved:
                return []
            self._release(entry)
            return [entry]
        entry.tries += 1
        if entry.tries < TRIES and not self.held:
            self.waiting.appendleft(entry)
            return []
        self._hold(entry, now)
        self._row.add(entry.key, now)
        self._rows.setdefault(entry.partition, _Row()).add(entry.key, now)
        return []

    def _refused_together(self, answers: Sequence[Answer[Entry]]) -> None:
        again: list[Entry] = []
        keys: set[bytes | None] = set()
        named = innocents = 0
        for entry, error, _ in answers:
            if error is not None:
                again.append(entry)
                keys.add(entry.key)
                innocents += innocent(error)
                named += not innocent(error)
            elif entry.key is not None and entry.key in keys:
                again.append(entry.as_repeat(self._turn))
        told = named and innocents
        for entry in again:
            if not told or (entry.error is not None and innocent(entry.error)):
                entry.error = None
        if not told:
            self._at_once = max(1, (named + innocents) // 2)
        self._marked = True
        self.put_back(again)

    def _accepted(self, entry: Entry, partition: int | None) -> None:
        self._backoff.reset()
        self._pause_until = 0.0
        self._round.clear()
        self._try_another = False
        self._row.end()
        was_held = entry.held
        if was_held:
            self._release(entry)
        if self._marked:
            self._taken[entry.key] = self._turn
        if partition is not None:
            self._rows.pop(partition, None)
        overtaken = False
        for suspect in self.held:
            suspect.proved |= suspect.partition == partition
            overtaken |= entry.key is not None and suspect.belongs_before(entry)
        if overtaken:
            self._marked = True
            repeat = entry.as_repeat(self._turn)
            if was_held:
                self.keep(repeat)
            else:
                place = next((at for at, other in enumerate(self.waiting) if repeat.belongs_before(other)), None)
                self.waiting.insert(len(self.waiting) if place is None else place, repeat)

    def _hold(self, entry: Entry, since: float) -> None:
        entry.held, entry.held_at, entry.proved = True, since, False
        self.held.append(entry)
        self.held.sort(key=lambda other: other.order)

    def _release(self, entry: Entry) -> None:
        entry.held = False
        self.held.remove(entry)

    def _many(self) -> _Row | None:
        if not self.held:
            return None
        rows = [self._row, *(self._rows[entry.partition] for entry in self.held if entry.partition in self._rows)]
        return next((row for row in rows if row.many), None)

    def _round_of(self) -> list[Entry]:
        """Returns the first suspect of each key: a later one, if taken, would have overtaken the first. Returns all if
        there is nothing else to judge by."""
        needed = [entry for entry in self.held if entry.needed]
        if not self._others:
            return needed
        first: dict[bytes | None, Entry] = {}
        for entry in needed:
            first.setdefault(entry.key, entry)
        return list(first.values())

    @property
    def _others(self) -> bool:
        return any(entry.needed for entry in self.waiting)

    def _chunk(self, most: int) -> list[Entry]:
        """Returns the first waiting entries, of devices without a suspect if there are any."""
        if not self.held and not self._marked:
            return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        suspected = {entry.key for entry in self.held} - {None}
        passed_over: list[Entry] = []
        chunk: list[Entry] = []
        keys: set[bytes | None] = set()
        while self.waiting and len(chunk) < most:
            entry = self.waiting[0]
            if entry.key in suspected:
                passed_over.append(self.waiting.popleft())
                continue
            if chunk and (entry.error is not None or (not entry.needed and entry.key in keys)):
                break
            self.waiting.popleft()
            entry.needed = entry.needed or self._is_late(entry)
            if not entry.needed:
                continue
            chunk.append(entry)
            keys.add(entry.key)
            if entry.error is not None:
                break
        if not chunk:
            same = next((entry for entry in passed_over if entry.needed or self._is_late(entry)), None)
            if same is not None:
                passed_over.remove(same)
                same.needed = True
                chunk.append(same)
        self.put_back(passed_over)
        self._marked = any(entry.repeat for entry in self.held) or any(
            entry.repeat or entry.error is not None for entry in self.waiting
        )
        if not self._marked:
            self._taken.clear()
        return chunk

    def _repeat(self) -> list[Entry]:
        """Returns the first waiting entry, needed or not: nothing else is left that can show whether Kafka takes anything."""
        if not self.waiting:
            return []
        entry = self.waiting.popleft()
        entry.needed = True
        return [entry]

    def _may_be_late(self, repeat: Entry) -> bool:
        """Whether something that is held can still end up after it, or already has."""
        if self._is_late(repeat):
            repeat.needed = True
        return repeat.needed or any(entry.needed and entry.belongs_before(repeat) for entry in self.held)

    def _is_late(self, repeat: Entry) -> bool:
        """Whether something of its key was taken later."""
        return self._taken.get(repeat.key, 0) > repeat.taken_at
