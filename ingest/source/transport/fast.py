"""`transport = "fast"`: a link of our own AMQP client, with the loop that its events need.

The client dials, logs in, attaches and keeps the token fresh, and every frame but the link's transfers goes to it. Transfers,
99.9 % of the bytes, are cut and decoded here. One thread does all of it but the dialing, and waits for nothing else than events.
"""

import time
import uuid
from collections.abc import Sequence

from ingest.amqp.errors import AmqpError
from ingest.amqp.session import SessionLimits
from ingest.config import Config
from ingest.hub import event_hubs
from ingest.hub.client.login import Login
from ingest.hub.client.manners import events
from ingest.hub.client.partition_link import PartitionLink
from ingest.hub.link_errors import LinkEnded, link_ended
from ingest.hub.owner_level import own_level
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.events.newest import Newest
from ingest.source.events.received import Received
from ingest.source.events.slices import Slices
from ingest.source.hot_path import Decoder, decoder_of
from ingest.source.transport.frames import TransferSplitter
from ingest.source.transport.portion import Portion
from ingest.source.transport.prefetch import Prefetch

TEND_SECONDS = 0.5
"""Interval of looks at empty frames, silence and the token."""
LOW_WINDOW = SessionLimits().window // 2
"""Transfer frames of the session's window; with no more left, the next flow renews it."""
READ_BYTES = 96 << 10
"""What follows a read, in Python, costs more than the read. From 128 KiB on malloc asks the kernel for each."""
TURN_BYTES = 1 << 20
"""One poll reads up to so much before it hands events on. With an eighth of it an event costs 5 to 10 % more: each step of the
way finds the code of the others in the caches."""
LEAST_EVENT_BYTES = 1_024
"""As so many each event counts there: of small ones the objects take the memory, here and in the Kafka client."""
TEND_READS = 256
"""At most in a row while no events are wanted: full ones take all that the credit allows, and pings come to an end."""


class _Link:
    """An attached link, whose transfers are cut and decoded here: `poll`, or `tend` while no events are wanted; `close`.

    What ends the link comes out of `poll`, behind all events that came before it.
    """

    def __init__(
        self, login: Login, link: PartitionLink, prefetch: Prefetch, decoder: Decoder, interrupt: int | None
    ) -> None:
        """`link` has come up, and nothing was asked for over it. Raises what `poll` raises."""
        self.newest: int | None = None
        """Sequence number of the newest event in the hub, according to the last delivery."""
        self.more = False
        """Whether the last `poll` left something that the hub has sent."""
        self._login = login
        self._link = link
        self._prefetch = prefetch
        self._decoder = decoder
        self._newest = Newest()
        self._client = login.client
        self._session = self._client.session
        stream, begun = self._client.take_over()
        if interrupt is not None:
            stream.interrupt_on(interrupt)
        self._wait = stream.wait
        self._stream = stream
        self._transfers = TransferSplitter(link.remote_handle, self._client.max_frame_size, decoder.slices)
        self._transfers.feed(begun)
        self._counted = 0
        """Transfer frames that the client has heard of."""
        self._portion = Portion()
        self._reads: list[Slices] = []
        """The messages of each read."""
        self._error: Exception | None = None
        self._heard = False
        """Whether anything has come since the client was last told so."""
        self._tended_at = time.monotonic()
        prefetch.link()
        self._grant()

    def poll(self, timeout: float) -> list[Received]:
        """The next events. What came before an error is handed on first."""
        if self._error is not None:
            raise self._error
        try:
            self._top_up()
            self._read(timeout)
            self._look_after()
        except Exception as error:
            self._error = error
        reads, self._reads = self._reads, []
        if reads:
            size = sum(messages.total_bytes for messages in reads)
            self._portion.read(size, self._prefetch.bytes, time.monotonic())
        return self._events(reads)

    def gather(self, seconds: float) -> None:
        self._stream.gather(seconds, self._portion.bytes)

    def tend(self) -> None:
        """Keeps the link alive while no events are wanted. Errors come with the next `poll`."""
        if self._error is not None or time.monotonic() - self._tended_at < TEND_SECONDS:
            return
        try:
            try:
                # What has come proves that the hub is there. An answer about the token may be behind all events that it was
                # allowed to send; those are as many as the credit, however often this reads.
                for _ in range(TEND_READS):
                    if not self._wait(0):
                        break
                    self._receive()
                    if not self._is_asking:
                        break
            finally:
                self._hand_over()
            self._look_after()
        except Exception as error:
            self._error = error

    def close(self) -> None:
        """Leaves the partition to others and hangs up. Raises nothing."""
        self._link.detach()
        self._login.close()

    def _read(self, timeout: float) -> None:
        self.more = False
        read = 0
        try:
            size = self._first(timeout)
            while size is not None:
                read += size
                self._top_up()
                if read >= TURN_BYTES:
                    self.more = self._wait(0)
                    return
                size = self._receive()
        finally:
            # Also in front of an end of the stream: the hub's last frame says why.
            self._hand_over()

    def _first(self, timeout: float) -> int | None:
        """As `_receive`, but waits up to `timeout` seconds if there are no events yet."""
        size = self._receive()
        if size is None and not self._wait(0):
            self._prefetch.silent()
            if not self._reads and timeout and self._wait(timeout):
                return self._receive()
        return size

    def _receive(self) -> int | None:
        """Takes what is there, up to about one large read. Returns what it counts for a turn; None if that is nothing, a part
        of a TLS record, or a ping of WebSocket."""
        data = self._stream.read(READ_BYTES)
        if data is None:
            return None
        if not data:
            raise ConnectionResetError("the hub closed the connection")
        self._heard = True
        transfers = self._transfers
        messages = transfers.feed(data)
        if messages:
            self._reads.append(messages)
            # Not the bytes read: a message may have come in many reads.
            self._prefetch.received(len(messages), messages.total_bytes)
        frames, self._counted = transfers.frames - self._counted, transfers.frames
        if frames:
            self._link.count(frames, len(messages), unfinished=transfers.unfinished)
        return max(len(data), LEAST_EVENT_BYTES * len(messages))

    def _hand_over(self) -> None:
        """Gives the client its frames. Raises what they have ended."""
        if not self._transfers.others:
            return
        others, self._transfers.others = self._transfers.others, []
        for frame in others:
            self._client.pass_on(frame)
            if self._link.error is not None:
                raise self._link.error
        self._ensure_tokens()

    def _look_after(self) -> None:
        """Twice a second: empty frames, silence, a fresh token."""
        now = time.monotonic()
        if now - self._tended_at >= TEND_SECONDS:
            self._tended_at = now
            if self._heard:
                self._client.heard()
                self._heard = False
            self._login.tend()
            self._client.keep_alive()
            self._ensure_tokens()

    def _ensure_tokens(self) -> None:
        tokens = self._login.tokens
        if tokens is not None and tokens.ended is not None:
            raise LinkEnded("lost", "detached", "the hub ended the link for tokens, $cbs")

    @property
    def _is_asking(self) -> bool:
        return self._login.tokens is not None and self._login.tokens.asking

    def _top_up(self) -> None:
        """Grants more before the hub has to wait. Not while no events are wanted: what is held then stays bounded."""
        if self._session.incoming_window <= LOW_WINDOW or self._prefetch.due(self._link.credit):
            self._grant()

    def _grant(self) -> None:
        self._prefetch.granted()
        self._link.grant(self._prefetch.credit)
        self._client.flush()

    def _events(self, reads: Sequence[Slices]) -> list[Received]:
        events: list[Received] = []
        for slices in reads:
            try:
                events += self._decoder.decode_all(slices)
            except AmqpError as error:
                self._error = error
                self._until_bad(slices, events)
                break
        if events:
            buf, start, end = reads[-1][-1]
            newest = self._newest.of(buf[start:end])
            self.newest = self.newest if newest is None else newest
        return events

    def _until_bad(self, slices: Slices, events: list[Received]) -> None:
        """Adds the events in front of the bad message: they were made, and lost with their list, so one by one."""
        for slice_ in slices:
            try:
                events.append(self._decoder.decode(*slice_))
            except AmqpError:
                return


class FastTransport:
    """Implements `contract.Transport`."""

    name = "fast"
    gathers = True

    def __init__(self, config: Config, partition: str, *, owned: bool = True, interrupt: int | None = None) -> None:
        self._config = config
        self._interrupt = interrupt
        self._partition = partition
        self._owner = own_level(config) if owned else None
        self._prefetch = Prefetch(config.source.prefetch)
        self._decoder = decoder_of(config.source.format)
        self._start = StartAt(EARLIEST)
        self._error: Exception | None = None
        """Why the link ended while no events were wanted, or could not be opened."""
        # Of the link that is open, in the order in which they come:
        self._login: Login | None = None
        self._asked: PartitionLink | None = None
        self._link: _Link | None = None

    @property
    def credit(self) -> int:
        return self._prefetch.credit

    @property
    def attached(self) -> bool:
        return self._asked is not None and self._asked.came_up

    @property
    def newest(self) -> int | None:
        return self._link.newest if self._link is not None else None

    @property
    def more(self) -> bool:
        return self._link is not None and self._link.more

    def open(self, start: StartAt) -> None:
        self._start = start
        try:
            # The hub's operators see that name: azure-eventhub's readers have such ones.
            name = f"EHConsumer-{uuid.uuid4()}-partition{self._partition}"
            self._login = Login(event_hubs.reader_entrance(self._config, name))
        except RuntimeError as error:  # no more threads are allowed: a try that failed, as others do
            self._error = error

    def poll(self, timeout: float) -> Sequence[Received]:
        try:
            if self._error is not None:
                raise self._error
            if self._link is not None:
                return self._link.poll(timeout)
            self._come_up(timeout)
        except Exception as error:
            ended = link_ended(error)
            if self._owner is not None:
                self._owner.refused(str(ended))
            raise ended from error
        return ()

    def gather(self, seconds: float) -> None:
        if self._link is not None:
            self._link.gather(seconds)

    def tend(self) -> None:
        if self._link is not None:
            self._link.tend()
        elif self._error is None:
            try:
                self._come_up(0)
            except Exception as error:
                self._error = error

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        elif self._login is not None:
            self._login.close()
        self._login = self._asked = self._link = self._error = None

    def _come_up(self, timeout: float) -> None:
        """The next step towards the link, waited for up to `timeout` seconds."""
        login, asked = self._login, self._asked
        if login is None:
            return
        login.work(timeout)
        if asked is None:
            if login.granted:
                address = event_hubs.partition_address(self._config, self._partition)
                level = self._owner.value if self._owner is not None else None
                attach = events(address, self._start, owner_level=level, tracks_newest=True)
                self._asked = PartitionLink(login.client, attach)
        elif asked.error is not None:
            raise asked.error
        elif asked.came_up:
            if self._owner is not None:
                self._owner.granted()
            self._link = _Link(login, asked, self._prefetch, self._decoder, self._interrupt)
