"""What is to be done for the partitions of this node: processes begin, end, and partitions are let go of. Pure.

The group says which partitions are this node's, the supervisor which have a process. The two are compared again and
again; nothing depends on the order in which ends and changes are heard.
"""

from collections.abc import Set
from typing import NamedTuple

from ingest.cluster.contract import Change
from ingest.hub.partition_ids import in_order


class Orders(NamedTuple):
    """Each in the order of the partitions' ids."""

    start: list[str]
    """They are this node's, and have no process."""
    retire: list[str]
    """They are to be let go of: their processes save what they hold, and end."""
    kill: list[str]
    """They are, or were, another's: their processes end at once and save nothing."""
    release: list[str]
    """They are to be let go of, and have no process any more."""


class Share:
    """The partitions of this node."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lost: set[str] = set()
        """Not released yet."""
        self._stolen: set[str] = set()
        """Their processes are of an earlier ownership, even if the partitions are this node's again."""

    @property
    def held(self) -> list[str]:
        """Partitions that are this node's and stay so, as far as it knows."""
        return in_order(self._held)

    @property
    def owned(self) -> Set[str]:
        """Partitions that nobody else may read now: those held, and those that are about to be let go of."""
        return self._held | self._lost

    def take(self, change: Change) -> None:
        """Takes what the group says."""
        partitions = set(change.partitions)
        match change.kind:
            case "gained":
                self._held |= partitions
                self._lost -= partitions
            case "lost":
                self._lost |= partitions
                self._held -= partitions
            case "stolen":
                self._held -= partitions
                self._lost -= partitions
                self._stolen |= partitions

    def orders(self, running: Set[str], ending: Set[str]) -> Orders:
        """Returns what is to be done now. `running`: partitions with a process, also one that is about to start again;
        `ending`: those whose process was told to end for good. What is in `release` counts as let go of."""
        processes = running | ending
        release = self._lost - processes
        self._stolen &= processes
        orders = Orders(
            start=in_order(self._held - processes),
            retire=in_order(self._lost & running),
            kill=in_order((processes - self._held - self._lost) | self._stolen),
            release=in_order(release),
        )
        self._lost -= release
        return orders
