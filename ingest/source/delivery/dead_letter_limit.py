"""How many dead letters a partition may write in a minute. Pure."""

MINUTE = 60.0


class DeadLetterLimit:
    """Limits the dead letters of each minute, counted from the first. A limit that was lowered by mistake, or a format
    that fails, must not turn a day of telemetry into dead letters: the partition waits instead, and says so."""

    def __init__(self, per_minute: int) -> None:
        """`per_minute` as `source.max_dead_letters_per_minute`: 0 is no limit."""
        self.reached = False
        """Whether an event waits now because the minute's dead letters are used up."""
        self._per_minute = per_minute
        self._since = float("-inf")
        self._count = 0

    def admit(self, now: float) -> bool:
        """Whether one more may be written; it then counts. `now` is in seconds of a monotonic clock."""
        if now - self._since >= MINUTE:
            self._since, self._count = now, 0
        self.reached = bool(self._per_minute) and self._count >= self._per_minute
        if not self.reached:
            self._count += 1
        return not self.reached

    def mended(self) -> None:
        """Notes that the waiting event was delivered after all."""
        self.reached = False
