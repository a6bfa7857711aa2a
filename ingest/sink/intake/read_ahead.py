"""How many commands to read: so many that the link never waits for them, and no more of those that only wait. Pure."""

from typing import Final

FETCH: Final = 500
"""The most at once."""


class ReadAhead:
    """Asked before each read."""

    def __init__(self, enough: int) -> None:
        """`enough`: devices with a command to send, as many as can be sent to at once."""
        self._enough = enough
        self._past_places = True

    def wanted(self, *, ready: int, deferred: int, has_room: bool, may_send: bool) -> int:
        """Returns how many commands to read now, at most. 0 pauses, at which the client throws away what it has fetched; 1
        does not, and is for when enough wait.

        `ready`: devices with a command to send. `deferred`: commands of which only the places are kept. `has_room`: whether
        more can be kept. `may_send`: whether the hub and Kafka can be reached.
        """
        # Past places, it reads on only for devices that would otherwise have to wait.
        self._past_places = may_send and ready < (self._enough if self._past_places else self._enough // 2)
        if not has_room or (deferred and not self._past_places):
            return 0
        return FETCH if ready < self._enough else 1
