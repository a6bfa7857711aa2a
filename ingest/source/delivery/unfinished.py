"""How many events are taken and not committed, and where another numbering begins among them. Pure."""

from ingest.hub.position import Position


class Unfinished:
    """Events are committed in the order in which they are taken."""

    def __init__(self) -> None:
        self._events = 0
        self._anew: Position | None = None
        """A position of another numbering that is not committed yet."""
        self._before = 0
        """Events that come before it."""

    def add(self, events: int) -> None:
        self._events += events

    def renumbered(self, position: Position) -> None:
        """Notes that events from now on come after `position` in another numbering."""
        self._anew, self._before = position, self._events

    def committed(self, events: int, position: Position | None) -> None:
        """Notes that the first `events` are committed, and `position` with them."""
        self._events -= events
        self._before -= events
        if self._before < 0 or position == self._anew:
            self._anew = None

    def forget(self, position: Position | None) -> Position | None:
        """Notes that what is unfinished comes again, and returns after which position: after `position`, the last one that was
        committed, unless that is of a numbering which the hub no longer has."""
        position, self._anew, self._events = self._anew or position, None, 0
        return position
