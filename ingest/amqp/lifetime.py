"""The life of a connection, a session or a link: one state table for all three and for both sides of each.

Each side opens its half once, uses it, and closes it once: `open … close`, `begin … end`, `attach … detach` (AMQP 1.0 parts
2.4.6, 2.5.5, 2.6.5). It does not matter which side began, so the table does not know the role.
"""

from enum import Enum, auto
from typing import Final


class Quick(Enum):
    """Its members are keys of a dictionary that is asked for each frame; the hash of `Enum` is written in Python."""

    __hash__ = object.__hash__


class Half(Quick):
    """The state of one side."""

    NEW = auto()
    UP = auto()
    DOWN = auto()


class Move(Quick):
    """What a frame of one side does to its half."""

    OPEN = auto()
    USE = auto()
    CLOSE = auto()


MOVES: Final[dict[tuple[Half, Move], Half]] = {
    (Half.NEW, Move.OPEN): Half.UP,
    (Half.UP, Move.USE): Half.UP,
    (Half.UP, Move.CLOSE): Half.DOWN,
}
"""Every other move is not allowed."""


class Lifetime:
    """The two halves of one connection, session or link."""

    __slots__ = ("ours", "theirs")

    def __init__(self) -> None:
        self.ours = Half.NEW
        self.theirs = Half.NEW

    def we(self, move: Move) -> bool:
        """Makes our move. Returns whether it is allowed; if not, nothing changes."""
        after = MOVES.get((self.ours, move))
        if after is None:
            return False
        self.ours = after
        return True

    def they(self, move: Move) -> bool:
        """As `we`, for the peer's move."""
        after = MOVES.get((self.theirs, move))
        if after is None:
            return False
        self.theirs = after
        return True

    @property
    def up(self) -> bool:
        """Whether both halves are open."""
        return self.ours is Half.UP and self.theirs is Half.UP

    @property
    def over(self) -> bool:
        """Whether no more frames can come: both halves are closed."""
        return self.ours is Half.DOWN and self.theirs is Half.DOWN

    def lost(self) -> None:
        """Closes both halves: the layer below is gone."""
        self.ours = self.theirs = Half.DOWN
