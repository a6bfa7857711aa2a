"""What the hub says of a stretch of time, asked so that nobody is disturbed.

Its figures (`$management`) tell the oldest and the newest event of each partition. The numbers at the ends of a stretch take
a look at the events themselves, by a reader without an owner level.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ingest.audit.verdict import Held, Verdict
from ingest.config import Config
from ingest.errors import IngestError
from ingest.hub import event_hubs
from ingest.hub.partition_ids import check_known, in_order
from ingest.hub.standing import Standing
from ingest.source.endpoint import settled_here
from ingest.source.events.received import Received
from ingest.source.receiving.beside import first_since


@dataclass(frozen=True, slots=True)
class Figures:
    """`standings`: by partition. `why_not`: why there are none."""

    standings: dict[str, Standing] = field(default_factory=dict)
    why_not: str | None = None


def settled(config: Config) -> tuple[Config, str | None]:
    """Returns the configuration with its event hub, and why that cannot be found out."""
    try:
        return settled_here(config), None
    except IngestError as error:
        return config, str(error).rstrip(".")


def ask(config: Config) -> Figures:
    """Returns the figures of all partitions, or why they cannot be had. Raises nothing for a hub that does not answer."""
    if config.hub.event_hub is None:
        return Figures(why_not="no hub is configured")
    try:
        return Figures(event_hubs.standings(config, event_hubs.partition_ids(config)))
    except IngestError as error:
        return Figures(why_not=str(error).rstrip("."))


class Ends:
    """Looks for the first and the last event of a stretch where the topic does not prove them."""

    def __init__(self, config: Config, from_ms: int, to_ms: int, consumer_group: str) -> None:
        self.config = replace(config, source=replace(config.source, consumer_group=consumer_group))
        self.why_not: str | None = None
        """Why the hub does not let us look."""
        self._from_ms, self._to_ms = from_ms, to_ms

    def of(self, verdict: Verdict, standing: Standing) -> Held:
        """Returns what the hub knows of the ends; None in the place of one that the topic proves itself."""
        if standing.newest < 0:
            return Held(0, -1)
        last = self._last(verdict, standing)
        if last is not None and last < 0:
            return Held(0, -1)
        first, oldest = self._first(verdict, standing)
        if first is not None or oldest is not None:
            return Held(first, last, oldest)
        return Held(None, last, standing.newest if self._from_ms <= standing.newest_ms < self._to_ms else None)

    def has(self, verdict: Verdict) -> bool:
        """Whether the hub has an event with the last number by now."""
        try:
            now = event_hubs.standing(self.config, verdict.partition)
        except IngestError:
            return True
        return verdict.last is None or verdict.last <= now.newest

    def _first(self, verdict: Verdict, standing: Standing) -> tuple[int | None, int | None]:
        """Returns the first event, or the oldest that is held, if that is of the stretch and older ones may have been, too."""
        if verdict.first_proof == "topic":
            return None, None
        if standing.newest_ms < self._from_ms:
            return standing.newest + 1, None
        event = self._look(verdict.partition, self._from_ms, standing)
        if event is None:
            return None, None
        # The hub begins a reader at its oldest event if it holds none of that time any more.
        if event.sequence_number == standing.oldest > 0:
            return None, event.sequence_number if event.enqueued_ms < self._to_ms else None
        return event.sequence_number, None

    def _last(self, verdict: Verdict, standing: Standing) -> int | None:
        if verdict.last_proof == "topic":
            return None
        if standing.newest_ms < self._to_ms:
            # What has come since the hub was asked is no more than the topic shows: it can be under way.
            return standing.newest if verdict.last is None else max(standing.newest, verdict.last)
        event = self._look(verdict.partition, self._to_ms, standing)
        if event is None or event.sequence_number == standing.oldest > 0:
            return None
        return event.sequence_number - 1

    def _look(self, partition: str, moment_ms: int, standing: Standing) -> Received | None:
        if self.why_not is not None:
            return None
        try:
            return first_since(self.config, partition, moment_ms, standing)
        except IngestError as error:
            self.why_not = str(error).rstrip(".")
            return None


def wanted(figures: Figures, seen: Collection[str], only: Collection[str]) -> list[str]:
    """Returns the partitions to report, in order: those of the hub and of the topic, or the ones asked for. Raises Refused
    for one that does not exist."""
    if figures.why_not is None:
        check_known({*only} - {*seen}, figures.standings)
    return in_order({*only} or {*figures.standings, *seen})
