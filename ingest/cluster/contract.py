"""The contract of a coordination: this node's place in the group of nodes that share the partitions of one hub."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ingest.timing import Deadline


@dataclass(frozen=True, slots=True)
class Change:
    """What the group says about partitions of this node."""

    kind: Literal["gained", "lost", "stolen"]
    """gained: they are this node's now. lost: another node's as soon as this one has let go of them, by `release`.
    stolen: another's already, or about to be: nothing is left to let go of."""
    partitions: tuple[str, ...]


class Coordination(Protocol):
    """A member of the group. One thread, the supervisor's, calls it; no call waits, `join` aside.

    `start`, then `poll` again and again, which gives partitions and takes them away. At the end `close`, once nothing of
    this node reads any more: the others get its partitions at once, and do not wait for a time-out.
    """

    @property
    def joined(self) -> bool:
        """Whether the group has told this node its partitions, even if that are none."""

    @property
    def rebalances(self) -> int:
        """How often the group has shared out anew, as far as this node has seen."""

    @property
    def trouble(self) -> str | None:
        """Why the group cannot be reached, in words; None while it can."""

    @property
    def members(self) -> Mapping[str, Collection[str]] | None:
        """Node → its partitions, as the group last told; None while that is unknown."""

    def start(self) -> None:
        """Joins the group."""

    def fileno(self) -> int:
        """Returns a descriptor that is readable when `poll` has something."""

    def poll(self) -> Sequence[Change]:
        """Returns what has changed, in order."""

    def release(self, partitions: Collection[str]) -> None:
        """Lets go of lost partitions, which nothing of this node reads any more."""

    def close(self) -> None:
        """Leaves the group; returns at once. Also lets go of what is lost and not released."""

    def join(self, deadline: Deadline) -> bool:
        """Waits for the end of `close`. Returns whether the node has left."""
