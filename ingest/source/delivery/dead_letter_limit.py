"""How many dead letters a partition may write in a minute. Pure."""

from ingest.errors import Undeliverable

MINUTE = 60.0


class DeadLetterLimit:
    """Limits the dead letters of each minute, counted from the first. A limit that was lowered by mistake, or a format
    that fails, must not turn a day of telemetry into dead letters: the partition waits instead, and says so."""

    def __init__(self, per_minute: int) -> None:
        """`per_minute` as `source.max_dead_letters_per_minute`: 0 is no limit."""
        self.reached = False
        """Whether an event waits now because the minute's dead letters are used up."""
        self._per_minute = per_minute
        self._next = ""
        self._since = float("-inf")
        self._count = 0

    @property
    def trouble(self) -> str | None:
        """Why nothing is delivered, in words; None unless the limit is reached."""
        if not self.reached:
            return None
        return (
            f"{self._per_minute} dead letters in a minute, and the next event would be another one ({self._next}): it is tried "
            "again until it can be delivered or the minute is over; mend the cause, or raise "
            "source.max_dead_letters_per_minute"
        )

    def admit(self, now: float, why: Undeliverable | None = None) -> bool:
        """Whether one more may be written, for the reason `why`; it then counts. `now` is in seconds of a monotonic clock."""
        if now - self._since >= MINUTE:
            self._since, self._count = now, 0
        self.reached = bool(self._per_minute) and self._count >= self._per_minute
        if self.reached:
            self._next = "" if why is None else f"{why.reason}: {why}".rstrip(".")
        else:
            self._count += 1
        return not self.reached

    def mended(self) -> None:
        """Notes that the waiting event was delivered after all."""
        self.reached = False
