"""What a topic has of one partition of the hub → what is present, missing and repeated in a stretch of time. Pure.

The hub numbers the events of a partition without a hole. So what is missing between two events is certain from the topic
alone; what is missing before the first or behind the last one, only the hub or the events beside the stretch can tell.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from ingest.audit.numbers import NONE, Chunks, Listed, above, below, holes, listed, size, spans, union

Proof = Literal["hub", "topic", "between", "unknown"]
"""How an end of the stretch is known. hub: the hub says it. topic: the event beside it is in the topic. between: the events up
to the next one beside it are missing, and some can be of a time outside. unknown: events beyond it could be missing."""
MOST_RANGES: Final = 20
RENUMBERED_MS: Final = 60_000
"""A lower number with a time that is so much later than that of a higher number is of another numbering. The hub's clock can
step back by less."""


class Counted(Protocol):
    """The part of `ingest.audit.counting.Count` that is judged."""

    @property
    def seen(self) -> Chunks: ...
    @property
    def again(self) -> Chunks: ...
    @property
    def repeated(self) -> int: ...
    @property
    def out_of_order(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def before(self) -> int: ...
    @property
    def after(self) -> int: ...
    @property
    def highest(self) -> int: ...
    @property
    def highest_ms(self) -> int: ...
    @property
    def latest(self) -> int: ...
    @property
    def latest_ms(self) -> int: ...


class Held(NamedTuple):
    """What the hub says of the stretch; None: it does not know."""

    first: int | None
    """The number of the first event; one more than `last` if there is none."""
    last: int | None
    witness: int | None = None
    """An event that is certainly of the stretch, where its first or last one is not known."""


NOTHING_HELD: Final = Held(None, None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Numbers are sequence numbers, both ends of a span are in it."""

    partition: str
    first: int | None = None
    """Of the stretch, present or missing; None if no event of it is known."""
    last: int | None = None
    first_proof: Proof = "unknown"
    last_proof: Proof = "unknown"
    present: int = 0
    """In the topic or its dead letters, each once."""
    missing: Listed = NONE
    repeated: int = 0
    again: Listed = NONE
    """Which ones came again, each once."""
    out_of_order: int = 0
    dead_letters: int = 0
    """Events that are a dead letter, and not in the topic."""
    is_renumbered: bool = False
    """Whether the hub has numbered its events anew within the stretch: then nothing else here is certain."""
    differing: Listed = NONE
    """Events whose content is not what the hub has."""
    compared: int | None = None
    """Events whose content was compared with the hub's; None: not asked for."""

    @property
    def is_open(self) -> bool:
        """Whether more records could change what is missing."""
        return bool(self.missing.numbers) or not self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether both ends are certain."""
        return "unknown" not in (self.first_proof, self.last_proof)


def judge(
    partition: str,
    topic: Counted | None,
    letters: Counted | None,
    held: Held = NOTHING_HELD,
    *,
    most_ranges: int = MOST_RANGES,
) -> Verdict:
    """`topic` and `letters`: what the topic and its dead letters have; None: nothing. `most_ranges`: how many to list."""
    counts = [each for each in (topic, letters) if each is not None]
    seen = seen_of(topic, letters)
    first, first_proof = _first(counts, seen, held)
    last, last_proof = _last(counts, seen, held)
    if held.witness is not None and (first is None or held.witness < first):
        first, first_proof = held.witness, "unknown"
    if held.witness is not None and (last is None or held.witness > last):
        last, last_proof = held.witness, "unknown"
    if first is None or last is None:
        # One end alone says nothing: there may be no event at all.
        return Verdict(partition, first_proof=first_proof, last_proof=last_proof)
    if first > last:
        return Verdict(partition, first_proof=first_proof, last_proof=last_proof, is_renumbered=_is_renumbered(topic))
    missing = listed(holes(seen, first, last), most_ranges)
    present = last - first + 1 - missing.numbers
    in_topic = 0 if topic is None else size(spans(topic.seen, first, last))
    return Verdict(
        partition,
        first,
        last,
        first_proof,
        last_proof,
        present,
        missing,
        0 if topic is None else topic.repeated,
        NONE if topic is None else listed(spans(topic.again, first, last), most_ranges),
        0 if topic is None else topic.out_of_order,
        present - in_topic,
        _is_renumbered(topic),
    )


def seen_of(topic: Counted | None, letters: Counted | None) -> Chunks:
    """Returns the numbers that are in one of them."""
    if topic is None or letters is None:
        return topic.seen if topic is not None else letters.seen if letters is not None else {}
    return union(topic.seen, letters.seen)


def _first(counts: list[Counted], seen: Chunks, held: Held) -> tuple[int | None, Proof]:
    if held.first is not None:
        return held.first, "hub"
    firsts = [each.first for each in counts if each.first >= 0]
    if not firsts:
        before = max((each.before for each in counts), default=-1)
        return (before + 1, "between") if before >= 0 else (None, "unknown")
    first = min(firsts)
    beside = below(seen, first)
    if first == 0 or beside == first - 1:
        return first, "topic"
    return (first, "unknown") if beside is None else (beside + 1, "between")


def _last(counts: list[Counted], seen: Chunks, held: Held) -> tuple[int | None, Proof]:
    if held.last is not None:
        return held.last, "hub"
    lasts = [each.last for each in counts if each.last >= 0]
    if not lasts:
        afters = [each.after for each in counts if each.after >= 0]
        return (min(afters) - 1, "between") if afters else (None, "unknown")
    last = max(lasts)
    beside = above(seen, last)
    if beside == last + 1:
        return last, "topic"
    return (last, "unknown") if beside is None else (beside - 1, "between")


def _is_renumbered(topic: Counted | None) -> bool:
    return topic is not None and topic.latest < topic.highest and topic.latest_ms - topic.highest_ms > RENUMBERED_MS
