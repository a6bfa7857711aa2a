"""Reacts to stalled sending: another link, then another process, each with a log of what is known."""

import logging
import time

from ingest.errors import RestartRequired
from ingest.sink.pacing.device_queues import DeviceQueues
from ingest.sink.pacing.shared_rate import SharedRate
from ingest.sink.sending.sender import Sender
from ingest.sink.sending.stall import SECONDS, StallWatch

logger = logging.getLogger(__name__)


class StallGuard:
    """Called in every loop of a sink process."""

    def __init__(self, sender: Sender, lanes: DeviceQueues, budget: SharedRate, *, seconds: float = SECONDS) -> None:
        self.answers = 0
        """All answers of the hub."""
        self.may_go = False
        """Whether commands are on their way to the hub, or pace and link would let some go."""
        self._sender = sender
        self._lanes = lanes
        self._budget = budget
        self._watch = StallWatch(seconds, time.monotonic())

    @property
    def trouble(self) -> str | None:
        return self._watch.trouble

    def look(self, now: float) -> None:
        """`now`: monotonic seconds. Raises RestartRequired."""
        waiting = len(self._lanes)
        verdict = self._watch.look(now, answers=self.answers, waiting=waiting > 0, may_go=self.may_go)
        if verdict == "fine":
            return
        seen = f"{self.trouble}: {self._sender.evidence}, {waiting} wait, pace {self._budget.rate:.3g}/s"
        if verdict == "stalled":
            raise RestartRequired(f"stalled: {seen}")
        logger.error("Sending is stalled: %s. Another link is opened.", seen)
        self._sender.reopen("the hub answers nothing")
