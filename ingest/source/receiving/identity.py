"""Whether the hub is still the one whose position a partition process has. Pure.

A hub that was deleted and made again under its old name may have grown past our position already, and then nothing that
it sends contradicts that. But it says when it was made.
"""

from datetime import UTC, datetime

from ingest.source.checkpoints import Checkpoint

_ROUNDING_MS = 1_000
"""The hub's answers may differ in their precision, and a storage account tells times in whole seconds."""


class Identity:
    """When the hub was made: of the checkpoint's hub, and of the one that answers."""

    def __init__(self, checkpoint: Checkpoint | None, created_ms: int | None) -> None:
        """`created_ms`: what the hub has just said, Unix milliseconds; None when nobody has asked it yet."""
        self.created_ms = checkpoint.hub_created_ms if checkpoint is not None else None
        """What belongs into the next checkpoint."""
        self.settled = False
        """Whether the hub has answered since the last attach; until then it is to be asked."""
        self._saved = checkpoint.time if checkpoint is not None else None
        self._fresh = created_ms is not None
        self.contradiction = self.heard(created_ms)
        """Why the checkpoint is another hub's; None when it is not, as far as is known."""

    def attached(self) -> None:
        """To be called after every attach: the hub is to be asked again, unless it has just told."""
        self.settled, self._fresh = self._fresh, False

    def forget(self) -> None:
        """The position is of another hub's numbering from now on, whoever has found that out."""
        self.created_ms = self._saved = None
        self.settled = False

    def take(self, checkpoint: Checkpoint) -> None:
        """The position is another process's from now on."""
        self.created_ms, self._saved = checkpoint.hub_created_ms, checkpoint.time
        self.settled = False

    def heard(self, created_ms: int | None) -> str | None:
        """Takes an answer, and says why the position is another hub's; None when it is not, or nothing was said."""
        if created_ms is None:
            return None
        self.settled = True
        before, self.created_ms = self.created_ms, created_ms
        if before is not None:
            return f"it was made at {_time(created_ms)}, not at {_time(before)}" if _later(created_ms, before) else None
        # A checkpoint of another processor does not name its hub. An hour that is told once says nothing later on.
        saved, self._saved = self._saved, None
        if saved is not None and _later(created_ms, saved * 1000):
            return f"it was made at {_time(created_ms)}, after the checkpoint of {_time(saved * 1000)} was saved"
        return None


def _later(created_ms: float, than_ms: float) -> bool:
    return created_ms > than_ms + _ROUNDING_MS


def _time(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
