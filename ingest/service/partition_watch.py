"""Partitions that a hub gets while ingest runs: when to ask for them, and what the answers mean. Clock passed in.

An IoT Hub keeps its first partitions; an event hub behind one of its routes can get more at any time.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.config import Config

REPORT_SECONDS = 600.0
"""Interval of the warnings while the question keeps failing."""

logger = logging.getLogger(__name__)


class PartitionWatch:
    """Tracks which partitions are read, and which of them the hub got since ingest started.

    `begin` after every discovery, `pause` before it; in between `due`, `asked` and `answer`, again and again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.added: set[str] = set()
        """Without a checkpoint these begin at the oldest event, whatever `source.start` is: none of their events was
        left out on purpose."""
        self._clock = clock
        self._scope: tuple[str, ...] = ()
        self._known: list[str] | None = None
        """None: not all partitions of the hub are known, so an unknown one need not be new."""
        self._seconds = 0
        self._next: float | None = None
        self._reported: dict[str, float] = {}

    def begin(self, config: Config, found: Sequence[str]) -> None:
        """Takes the partitions that discovery has found for this configuration."""
        hub = config.hub.event_hub
        scope = (hub.namespace, hub.event_hub, config.source.consumer_group) if hub else ()
        if scope != self._scope:
            self._scope, self._known = scope, None
            self.added.clear()
        every = not config.source.partitions
        if every and self._known is not None:
            self.added.update(partition for partition in found if partition not in self._known)
        self._known = list(found) if every else None
        self._seconds = config.source.partitions_check_seconds
        self._reported.clear()
        self._wait()

    def pause(self) -> None:
        """Asks the hub nothing until the next `begin`: now nothing is read."""
        self._next = None

    @property
    def known(self) -> list[str]:
        """The partitions that are read, by this node or by those that share them."""
        return list(self._known or ())

    @property
    def due(self) -> bool:
        """Whether it is time to ask the hub."""
        return self._next is not None and self._clock() >= self._next

    def asked(self) -> None:
        """Notes that the question is sent."""
        self._next = None

    def answer(self, result: Mapping[str, Any]) -> list[str]:
        """Takes a `result` of `ingest.source.discover.look_again`. Returns the partitions to start now."""
        self._wait()
        known = self._known or []
        found = list(dict.fromkeys(result.get("partitions", ())))
        if not found:
            why = result.get("trouble", "it names none")
            self._report("trouble", f"Whether the hub has got more partitions is not known: {why}")
            return []
        if self._reported.pop("trouble", None) is not None:
            logger.info("The hub names its partitions again.")
        missing = [partition for partition in known if partition not in found]
        if missing:
            self._report(
                "missing",
                f"The hub names {', '.join(found)} as its partitions, and no longer {', '.join(missing)}; "
                "they are read on: start ingest again when they are gone for good.",
            )
        else:
            self._reported.pop("missing", None)
        new = [partition for partition in found if partition not in known]
        self.added.update(new)
        self._known = [*known, *new]
        return new

    def _wait(self) -> None:
        wanted = self._known is not None and self._seconds > 0
        self._next = self._clock() + self._seconds if wanted else None

    def _report(self, kind: str, words: str) -> None:
        """Warns once per interval and kind, not per text: the hub's texts contain a time and a number."""
        now, last = self._clock(), self._reported.get(kind)
        if last is None or now - last >= REPORT_SECONDS:
            self._reported[kind] = now
            logger.warning("%s", words)
