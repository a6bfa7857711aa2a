"""Links that send to the client: deliveries over credit, session window and frames, and the drain of credit."""

from ingest.amqp.performatives import Attach, Flow
from ingest.amqp.serial import advanced
from ingest.amqp.transfers import TransferEncoder
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner


class SendingLink(Link):
    """Sends whatever `take` gives, one message at a time, as far as the client lets it."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        super().__init__(session, attach)
        self._encoder = TransferEncoder(
            session.channel, self.handle, session.max_frame_size, settled=self.sends_settled
        )
        self._unsent: list[bytes] = []
        """Frames of a delivery that is split, still to be sent, the next one last."""
        self._draining = False

    def take(self, delivery_id: int) -> bytes | None:
        """The next message, which goes out as that delivery; None when there is none now."""
        return None

    def on_flow(self, flow: Flow) -> None:
        super().on_flow(flow)
        if flow.link_credit is not None:
            self._draining = bool(flow.drain)
        self.on_window()

    def on_window(self) -> None:
        session = self.session
        while self.can_write():
            if self._unsent:
                self.send_rest()
            elif self.credit <= 0 or (payload := self.take(session.next_delivery_id)) is None:
                self.end_drain()
                return
            else:
                self._unsent = self._encoder.split(session.next_delivery_id, payload)[::-1]
                self.count_deliveries(1)

    def can_write(self) -> bool:
        """Whether a transfer frame may go out now."""
        return self.attached and self.session.window > 0 and self.session.writable

    def send_rest(self) -> None:
        """Send what the window allows of the delivery that is split."""
        session = self.session
        count = min(session.window, len(self._unsent))
        frames = self._unsent[: -count - 1 : -1]
        del self._unsent[-count:]
        session.write_transfers(b"".join(frames), count)

    def count_deliveries(self, count: int) -> None:
        """Book deliveries of which at least the first frame goes out now."""
        session = self.session
        session.next_delivery_id = advanced(session.next_delivery_id, count)
        self.delivery_count = advanced(self.delivery_count, count)
        self.credit -= count

    def end_drain(self) -> None:
        """All that there was is sent: give back the rest of the credit, if the client asked for it (part 2.6.7)."""
        if self._draining and self.attached:
            self._draining = False
            self.delivery_count = advanced(self.delivery_count, self.credit)
            self.credit = 0
            self.send_flow()
