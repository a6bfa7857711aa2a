"""The link that gives services the outcomes of their messages: source `/messages/serviceBound/feedback`."""

from typing import Final

from ingest.amqp.composites import Composite
from ingest.amqp.performatives import Accepted, Attach, Modified, Rejected
from ingest.emulator.amqp.authorization import IOT_HUB
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.amqp.sending_link import SendingLink
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.timing import Clock

PATH: Final = "messages/servicebound/feedback"


class FeedbackLink(SendingLink):
    """Sends unsettled: accepted or rejected ends a batch; after any other state or the link's end it comes again."""

    auth_path = f"{IOT_HUB}/{PATH}"
    sends_settled = False

    def __init__(
        self,
        session: LinkOwner,
        attach: Attach,
        feedback: Feedback,
        clock: Clock,
        attached: "dict[FeedbackLink, None]",
    ) -> None:
        """This link is in `attached` while it lives."""
        super().__init__(session, attach)
        self._feedback = feedback
        self._clock = clock
        self._peers = attached
        self._lock_tokens: dict[int, str] = {}
        """By delivery id."""

    def accept(self) -> None:
        super().accept()
        self._peers[self] = None

    def take(self, delivery_id: int) -> bytes | None:
        taken = self._feedback.take(self._clock())
        if taken is None:
            return None
        self._lock_tokens[delivery_id], message = taken
        return message

    def on_outcome(self, delivery_id: int, state: Composite | None) -> None:
        lock_token = self._lock_tokens.pop(delivery_id, None)
        if lock_token is not None:
            self._settle(lock_token, state)
        self.on_window()

    def _settle(self, lock_token: str, state: Composite | None) -> None:
        now = self._clock()
        try:
            match state:
                case Accepted() | Rejected():
                    self._feedback.complete(lock_token, now)
                case Modified():
                    self._feedback.abandon(lock_token, now)
                case _:
                    self._feedback.release(lock_token, now)
        except LockLost:
            pass  # The lock expired; the batch is delivered again.

    def on_closed(self) -> None:
        self._peers.pop(self, None)
        for lock_token in self._lock_tokens.values():
            self._settle(lock_token, None)
        self._lock_tokens.clear()
