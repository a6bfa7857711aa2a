"""One audit from beginning to end: the topic, its dead letters, the hub's figures, and the hub's events if they are wanted."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from confluent_kafka import Message

from ingest.audit import hub
from ingest.audit.numbers import Chunks, add, holes, listed, size, spans
from ingest.audit.plan import Plan
from ingest.audit.report import Line, Report
from ingest.audit.topics import Reading, TopicReader, partitions_of
from ingest.audit.verdict import NOTHING_HELD, Counted, Held, Verdict, judge, seen_of
from ingest.config import Config
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.hub.standing import Standing
from ingest.shadow.decoding import SchemaOf
from ingest.source.receiving.beside import read_beside, since

PROGRESS_SECONDS: Final = 1.0
_OTHER_GROUP: Final = "name a consumer group of the hub that nobody reads with --consumer-group"
LOOK_SECONDS: Final = 5.0
"""How often, while it is looked for what is missing, whether that has come."""


def audit(
    config: Config,
    plan: Plan,
    schema_of: SchemaOf,
    *,
    progress: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Raises Refused; Unreachable, also if neither topic nor hub tell anything; and ConfigError if the topic's records do not say
    where their events stood."""
    with ExitStack() as stack:
        return _Audit(config, plan, schema_of, progress, clock, stack).run()


class _Audit:
    def __init__(
        self,
        config: Config,
        plan: Plan,
        schema_of: SchemaOf,
        progress: Callable[[str], None],
        clock: Callable[[], float],
        stack: ExitStack,
    ) -> None:
        self._kafka, self._format = config.kafka, config.source.format
        self._plan = plan
        self._schema_of = schema_of
        self._progress = progress
        self._clock = clock
        self._began = self._said_at = clock()
        self._notes: list[str] = []
        self._renumbered: set[str] = set()
        """Partitions of which the hub has other events under these numbers."""
        config, why_not = hub.settled(config)
        self._event_hub = None if config.hub.event_hub is None else config.hub.event_hub.event_hub
        self._figures = hub.ask(config) if why_not is None else hub.Figures(why_not=why_not)
        if plan.refetch and self._figures.why_not is not None:
            raise Refused(f"--refetch reads from the hub, and its figures are not known: {self._figures.why_not}")
        self._ends = hub.Ends(config, plan.from_ms, plan.to_ms, plan.consumer_group)
        letters = config.source.dead_letter_topic
        known = partitions_of(config.kafka, (plan.topic,), (letters,))
        self._topic = self._reader(stack, plan.topic, known[plan.topic])
        self._letters = None
        if letters in known:
            self._letters = self._reader(stack, letters, known[letters], letters=True)
        else:
            self._notes.append(f"There is no topic {letters}, so no dead letters are counted.")

    def _reader(self, stack: ExitStack, name: str, partitions: int, *, letters: bool = False) -> TopicReader:
        plan = self._plan
        hub_name = self._event_hub
        reading = Reading(name, plan.from_ms, plan.to_ms, letters=letters, event_hub=hub_name, with_bodies=plan.refetch)
        reader = TopicReader(self._kafka, reading, partitions, plan.from_ms, plan.to_ms)
        stack.callback(reader.close)
        return reader

    def run(self) -> Report:
        if self._letters is not None:
            self._letters.read(self._taker(self._letters.reading))
        self._topic.read(self._taker(self._topic.reading))
        self._check_placed()
        held = {name: self._held(name) for name in self._names()}
        verdicts = {name: self._judge(name, each) for name, each in held.items()}
        is_open = not verdicts or any(each.is_open for each in verdicts.values())
        if is_open and not self._topic.is_at_end:
            self._look_further(held)
            self._check_placed()
            verdicts = {name: self._judge(name, held.get(name, NOTHING_HELD)) for name in self._names()}
        if all(each.first is None and not each.is_whole for each in verdicts.values()):
            raise self._nothing_known()
        if self._plan.refetch and self._ends.why_not is not None:
            raise Refused(
                f"--refetch reads from the hub, which does not let this reader in: {self._ends.why_not}; {_OTHER_GROUP}"
            )
        if self._plan.refetch:
            verdicts = {name: self._refetched(verdict) for name, verdict in verdicts.items()}
        return self._report(verdicts)

    def _nothing_known(self) -> Unreachable:
        hub = self._figures.why_not or f"{self._ends.why_not}; {_OTHER_GROUP}"
        why = "; ".join([hub, *(each.rstrip(".") for each in self._topic.doubts())])
        return Unreachable(
            f"nothing can be said: topic {self._plan.topic} has no record of ingest of this time, and the hub does not say how "
            f"many there should be: {why}"
        )

    def _names(self) -> list[str]:
        seen = self._counts(self._topic).keys() | self._counts(self._letters).keys()
        return hub.wanted(self._figures, seen, self._plan.partitions)

    def _counts(self, reader: TopicReader | None) -> Mapping[str, Counted]:
        return {} if reader is None else reader.reading.counting.counts

    def _judge(self, name: str, held: Held) -> Verdict:
        topic, letters = (self._counts(reader).get(name) for reader in (self._topic, self._letters))
        return judge(name, topic, letters, held, most_ranges=self._plan.ranges)

    def _standing(self, verdict: Verdict) -> Standing | None:
        """The hub's figures; None where they are not known, or of another numbering."""
        standing = self._figures.standings.get(verdict.partition)
        if standing is None or verdict.partition in self._renumbered:
            return None
        if verdict.last is not None and verdict.last > standing.newest and not self._ends.has(verdict):
            self._renumbered.add(verdict.partition)
            return None
        return standing

    def _held(self, name: str) -> Held:
        alone = self._judge(name, NOTHING_HELD)
        standing = self._standing(alone)
        if standing is None:
            return NOTHING_HELD
        self._say(f"asking the hub about partition {name}")
        return self._ends.of(alone, standing)

    def _check_placed(self) -> None:
        unplaced = self._topic.reading.unplaced
        # Those of an earlier configuration, or of a connector that wrote there before.
        are_others = self._format in ("json", "raw") and bool(self._counts(self._topic))
        if unplaced and not are_others:
            raise ConfigError(
                [
                    Problem(
                        "source.format",
                        f'"{self._format}"',
                        f"{unplaced} records of topic {self._plan.topic} do not say which partition of the hub they come from, "
                        'as those of the formats connect-…, so nothing can be counted: only "json" and "raw" can be audited, '
                        "and the others only where the hub has one partition; `ingest shadow` compares any two topics",
                    )
                ]
            )

    def _taker(self, reading: Reading) -> Callable[[Sequence[Message], float], bool]:
        standings = self._figures.standings
        only = next(iter(standings)) if len(standings) == 1 else None

        def taken(messages: Sequence[Message], share: float) -> bool:
            reading.take(messages, self._schema_of, only)
            self._say(f"{reading.name}: {reading.records} records, {share:.0%}")
            return True

        return taken

    def _look_further(self, held: Mapping[str, Held]) -> None:
        """Reads the topic to its end, or until nothing is missing any more, and both ends are certain."""
        take, looked_at = self._taker(self._topic.reading), self._clock()

        def taken(messages: Sequence[Message], share: float) -> bool:
            nonlocal looked_at
            take(messages, share)
            if self._clock() - looked_at < LOOK_SECONDS:
                return True
            looked_at = self._clock()
            return not held or any(self._judge(name, each).is_open for name, each in held.items())

        self._topic.read_on(taken)

    def _refetched(self, verdict: Verdict) -> Verdict:
        """Compares the contents of one partition with the hub's events."""
        standing = self._standing(verdict)
        if standing is None or verdict.first is None or verdict.last is None:
            return verdict
        bodies = [
            reader.reading.bodies[verdict.partition]
            for reader in (self._topic, self._letters)
            if reader is not None and verdict.partition in reader.reading.bodies
        ]
        differing: Chunks = {}
        compared = 0
        config, plan = self._ends.config, self._plan
        for events in read_beside(config, verdict.partition, since(plan.from_ms), standing, until_ms=plan.to_ms):
            for event in events:
                if verdict.first <= event.sequence_number <= verdict.last:
                    whole = event.whole()
                    found = [each.compare(whole) for each in bodies]
                    compared += "equal" in found or "differs" in found
                    if "differs" in found:
                        add(differing, event.sequence_number)
            self._say(f"partition {verdict.partition} of the hub: {compared} contents compared")
        wrong = spans(differing, verdict.first, verdict.last)
        return replace(verdict, differing=listed(wrong, plan.ranges), compared=compared)

    def _report(self, verdicts: Mapping[str, Verdict]) -> Report:
        topic, letters = self._topic.reading, self._letters.reading if self._letters is not None else None
        notes = self._notes
        if self._figures.why_not is not None:
            notes.append(f"The hub's own figures are not known: {self._figures.why_not}.")
        if self._ends.why_not is not None:
            notes.append(f"The hub did not let this look at its events: {self._ends.why_not}; {_OTHER_GROUP}.")
        if topic.unplaced:
            notes.append(
                f"{topic.unplaced} records do not say which partition of the hub they come from, as those of the formats "
                "connect-…: they do not count, and what they hold counts as missing."
            )
        if any(verdict.is_open for verdict in verdicts.values()):
            notes += [
                doubt for reader in (self._topic, self._letters) if reader is not None for doubt in reader.doubts()
            ]
        if topic.counting.is_full:
            notes.append("There are more devices than fit into memory: the order was judged for the first ones.")
        lines = []
        for verdict in verdicts.values():
            standing = self._standing(verdict)
            if verdict.is_renumbered or verdict.partition in self._renumbered:
                notes.append(
                    f"The hub has numbered the events of partition {verdict.partition} anew (it was recreated, or failed over): "
                    "audit the time before that and the time after it by themselves."
                )
            lines.append(Line(verdict, standing, self._still_held(verdict, standing)))
        return Report(
            self._plan,
            lines,
            notes,
            records=topic.records + (letters.records if letters is not None else 0),
            not_ours=topic.not_ours,
            seconds=self._clock() - self._began,
        )

    def _still_held(self, verdict: Verdict, standing: Standing | None) -> int:
        """Returns how many of the missing events the hub holds."""
        if standing is None or standing.empty or verdict.first is None or verdict.last is None:
            return 0
        name = verdict.partition
        seen = seen_of(self._counts(self._topic).get(name), self._counts(self._letters).get(name))
        return size(holes(seen, max(verdict.first, standing.oldest), min(verdict.last, standing.newest)))

    def _say(self, sentence: str) -> None:
        now = self._clock()
        if now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            self._progress(sentence)
