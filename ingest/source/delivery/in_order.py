"""Events of a transaction that was aborted: which of them the next transaction has, until each is committed. Pure.

A transaction is committed as a whole or not at all, and its position is one number. So nothing passes anything here: the events
go in their order, in transactions that get smaller after a refusal and larger after a commit, until one is refused alone, three
times. It can be bad, or the cluster can be (see `suspects`). What comes after it decides, in a **trial**: a transaction with one
later event, aborted whatever the answer.

- **Kafka takes a later one.** The cluster works: the event becomes a dead letter.
- **It refuses many** (`MANY`, or of `MANY_DEVICES` devices). The cluster is at fault: nothing is blamed, and after a pause that
  grows the event is tried again, and with it one later event more: if all these are bad after all, the first good one shows it.
  That one is the first to be asked when the next event is refused.
- **There is none, or few and all are refused.** After `PATIENCE_SECONDS` without another, the event is blamed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaError

from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter
from ingest.kafka.errors import innocent, reason_of
from ingest.source.delivery.suspects import MANY, MANY_DEVICES, PATIENCE_SECONDS, TRIES
from ingest.source.events.received import Received
from ingest.timing import Backoff

MOST = 1_000
"""Events of one transaction on this way."""


class Item:
    """One event on this way."""

    __slots__ = ("error", "event", "form", "letter", "tries", "why")

    def __init__(self, event: Received, why: Undeliverable | None = None) -> None:
        self.event = event
        self.why = why
        """Why it is to be a dead letter; None as long as it is not."""
        self.letter: DeadLetter | None = None
        """Once it is made."""
        self.form = 0
        """How much of a possible cause the dead letter leaves out."""
        self.tries = 0
        """How often in a row it was refused alone."""
        self.error: KafkaError | None = None
        """Of the last of those."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One transaction. deliver: the records of these events; letter: the dead letter of the one event; trial: the record of
    the one event, to be aborted."""

    kind: Literal["deliver", "letter", "trial"]
    items: Sequence[Item]


class InOrder:
    """Call `next`, then `committed`, `accepted` or `refused` with what became of that attempt."""

    def __init__(
        self,
        device_of: Callable[[Received], str | None],
        backoff: Callable[[], Backoff] = lambda: Backoff(0.1, 5.0),
    ) -> None:
        self.trouble: str | None = None
        """Why nothing is delivered, in words: the cluster seems to be at fault."""
        self._device_of = device_of
        self._waiting: deque[Item] = deque()
        self._size = MOST
        self._careful = 0
        """So many of the next events must come this way."""
        self._backoff = backoff()
        self._pause_until = float("-inf")
        self._suspect: Item | None = None
        self._tried = 0
        """How many of those behind the suspect were refused, too."""
        self._good: Item | None = None
        """The last one that Kafka took in a trial."""
        self._devices: set[str | None] = set()
        """Theirs, and the suspect's."""
        self._quiet_since = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether everything must come this way, as something waits or was refused recently."""
        return bool(self._waiting) or self._size < MOST or self._careful > 0

    @property
    def wants_more(self) -> bool:
        """Whether later events help."""
        return len(self._waiting) < MOST

    def add(self, events: Iterable[Received]) -> None:
        """Adds events behind all that wait."""
        self._waiting.extend(map(Item, events))

    def be_careful(self, events: int) -> None:
        """Notes that some of the next `events` were refused together."""
        self._careful = events
        self._size = max(1, min(MOST, events // 2)) if events else MOST

    def clear(self) -> None:
        """Forgets everything."""
        self._waiting.clear()
        self.be_careful(0)
        self._good = None
        self._begin_anew()
        self.trouble = None
        self._pause_until = float("-inf")

    def pause(self, now: float) -> None:
        """Makes no attempt for a while, longer each time until something is committed."""
        self._pause_until = now + self._backoff.next()

    def next(self, now: float) -> Attempt | None:
        """Returns what to try now; None: ask again later. `now` is in seconds of a monotonic clock."""
        if now < self._pause_until or not self._waiting:
            return None
        head = self._waiting[0]
        if head is self._suspect and head.why is None:
            return self._trial(head, now)
        if head.why is not None:
            return Attempt("letter", [head])
        chunk: list[Item] = []
        for item in self._waiting:
            if item.why is not None or len(chunk) == self._size:
                break
            chunk.append(item)
        return Attempt("deliver", chunk)

    def committed(self, items: Sequence[Item]) -> None:
        """Takes the first events away: they, or the dead letter of the first one, are committed."""
        for _ in items:
            self._waiting.popleft()
        self._careful = max(0, self._careful - len(items))
        self._size = min(MOST, 2 * self._size)
        self._begin_anew()
        self.trouble = None
        self._backoff.reset()

    def accepted(self, attempt: Attempt) -> None:
        """Notes that Kafka took the event of a trial: the suspect is to blame."""
        self._good = attempt.items[0]
        self._blame()

    def refused(self, attempt: Attempt, errors: Mapping[int, KafkaError], now: float) -> None:
        """Notes which items Kafka refused, by their place in the attempt; never of a dead letter."""
        if attempt.kind == "trial":
            self._tried += 1
            self._devices.add(self._device_of(attempt.items[0].event))
            self._quiet_since = now
            if self._many:
                self._hold(next(iter(errors.values())), now)
            return
        if len(attempt.items) > 1:
            named = sorted(place for place, error in errors.items() if not innocent(error))
            told = bool(named) and len(named) < len(attempt.items)
            self._size = max(1, named[0] if told else len(attempt.items) // 2)
            return
        item = attempt.items[0]
        item.tries += 1
        item.error = errors[0]
        self._size = 1
        if item.tries >= TRIES:
            self._suspect, self._quiet_since = item, now
            self._devices.add(self._device_of(item.event))

    @property
    def _many(self) -> bool:
        return self._tried >= MANY or len(self._devices) >= MANY_DEVICES

    def _trial(self, suspect: Item, now: float) -> Attempt | None:
        others = [item for item in self._waiting if item.why is None and item is not suspect]
        others.sort(key=lambda item: item is not self._good)
        if self._tried < len(others):
            return Attempt("trial", [others[self._tried]])
        if self._many and suspect.error is not None:
            self._hold(suspect.error, now)
            return None
        if now - self._quiet_since < PATIENCE_SECONDS:
            return None
        self._blame()
        return Attempt("letter", [suspect])

    def _blame(self) -> None:
        suspect = self._suspect
        if suspect is None or suspect.error is None:
            return
        suspect.why = Undeliverable(reason_of(suspect.error), suspect.error.str())
        self._begin_anew()

    def _hold(self, error: KafkaError, now: float) -> None:
        row = self._tried + 1
        self.trouble = (
            f"Kafka refuses all records alike, {row} in a row ({error.str()}); they are held back and tried again"
        )
        if self._suspect is not None:
            self._suspect.tries = TRIES - 1
        self._suspect = None
        self.pause(now)

    def _begin_anew(self) -> None:
        self._suspect, self._tried, self._devices = None, 0, set()
