"""Whether the hub is still the one that a partition process's position belongs to. Pure.

A hub that was deleted and recreated under its old name can already be past our position; then nothing that it sends
contradicts the position. But it says when it was created.
"""

from datetime import UTC, datetime

from ingest.source.checkpoints import Checkpoint

_ROUNDING_MS = 1_000
"""The hub's answers can differ in precision, and a storage account reports times in whole seconds."""


class Identity:
    """Creation times: of the checkpoint's hub, and of the one that answers."""

    def __init__(self, checkpoint: Checkpoint | None, created_ms: int | None) -> None:
        """`created_ms`: what the hub has just said, Unix milliseconds; None if it was not asked yet."""
        self.created_ms = checkpoint.hub_created_ms if checkpoint is not None else None
        """The value for the next checkpoint."""
        self.settled = False
        """Whether the hub has answered since the last attach; until then it must be asked."""
        self._saved = checkpoint.time if checkpoint is not None else None
        self._fresh = created_ms is not None
        self.contradiction = self.heard(created_ms)
        """Why the checkpoint is another hub's; None if it is not, as far as is known."""

    def attached(self) -> None:
        """Call it after every attach: the hub must be asked again, unless it has just answered."""
        self.settled, self._fresh = self._fresh, False

    def forget(self) -> None:
        """From now on the position belongs to another hub's numbering, whichever part has found that out."""
        self.created_ms = self._saved = None
        self.settled = False

    def take(self, checkpoint: Checkpoint) -> None:
        """From now on the position is another process's."""
        self.created_ms, self._saved = checkpoint.hub_created_ms, checkpoint.time
        self.settled = False

    def heard(self, created_ms: int | None) -> str | None:
        """Takes an answer. Returns why the position is another hub's; None if it is not, or nothing was said."""
        if created_ms is None:
            return None
        self.settled = True
        before, self.created_ms = self.created_ms, created_ms
        if before is not None:
            return f"it was made at {_time(created_ms)}, not at {_time(before)}" if _later(created_ms, before) else None
        # A checkpoint of another processor does not say when its hub was created. The saved time counts only once.
        saved, self._saved = self._saved, None
        if saved is not None and _later(created_ms, saved * 1000):
            return f"it was made at {_time(created_ms)}, after the checkpoint of {_time(saved * 1000)} was saved"
        return None


def _later(created_ms: float, than_ms: float) -> bool:
    return created_ms > than_ms + _ROUNDING_MS


def _time(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
