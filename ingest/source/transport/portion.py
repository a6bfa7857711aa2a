"""How many bytes of a steady stream are worth a turn: with them there, the next read waits for no more. Pure.

By bytes and not by time alone: what comes in bursts, as hubs send it, goes with its burst and not up to a whole pause later;
and of a stream that fills the kernel's buffer within the pause, nothing has to wait for room.
"""

from typing import Final

LEAST_BYTES: Final = 64 << 10
"""A turn's cost is that of a hundred events, which most fleets have in so much."""
MOST_BYTES: Final = 256 << 10
"""With more the turn's cost is no longer what matters."""
SECONDS: Final = 0.006
"""In between, as much as comes in so long."""


class Portion:
    """`read` after every turn that has read something."""

    def __init__(self) -> None:
        self.bytes = LEAST_BYTES
        self._read_at = float("-inf")

    def read(self, size: int, allowed: float, read_at: float) -> None:
        """Notes a turn of `size` bytes at that time, in seconds of a monotonic clock. `allowed`: how many bytes the hub sends
        after a flow; half of them surely come without another one."""
        since, self._read_at = read_at - self._read_at, read_at
        steady = size * SECONDS / since if since > 0 else MOST_BYTES
        self.bytes = int(min(max(LEAST_BYTES, steady), MOST_BYTES, allowed / 2))
