"""`transport = "fast"`: azure-eventhub's own link, with our loop around its socket.

The client connects, authorizes, attaches and keeps the token fresh; every frame but the link's transfers goes to it, and
every frame that is sent is sent by it. Transfers, 99.9 % of the bytes, are cut and decoded here. One thread does all of
it, but for the first seconds of a link, which may block. These are private parts of the client: one minor version is
accepted, and looked at in `ingest.source.transport.fast_compatibility` when this module is imported.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from azure.eventhub._pyamqp._decode import decode_empty_frame, decode_frame
from azure.eventhub._pyamqp.constants import LinkState

from ingest.amqp.errors import AmqpError
from ingest.config import Config
from ingest.hub import event_hubs
from ingest.hub.link_errors import LinkEnded, link_ended
from ingest.hub.network.contract import Stream
from ingest.hub.position import StartAt
from ingest.hub.token_link import ensure_token_link
from ingest.source.events.decoder import newest_of
from ingest.source.events.received import Received
from ingest.source.events.slices import Slices
from ingest.source.hot_path import Decoder, decoder_of
from ingest.source.transport import fast_compatibility
from ingest.source.transport.frames import TransferSplitter
from ingest.source.transport.prefetch import Prefetch
from ingest.source.transport.reads import Reads

CLOSE_SECONDS = 5.0
TEND_SECONDS = 1.0
TURN_BYTES = 1 << 20
"""One poll reads up to so much before it hands events on. With an eighth of it an event costs 5 to 10 % more: each step of the
way finds the code of the others in the caches."""
_ID_MASK = 0xFFFF_FFFF
_FLOW, _NEXT_OUTGOING_ID = 0x13, 2
"""Descriptor and field of a flow, AMQP 1.0 part 2.7.4."""

logger = logging.getLogger(__name__)
fast_compatibility.check()


class _Opening:
    """Connects and attaches on a thread of its own, as names, handshakes and answers may take their time."""

    def __init__(self, make: Callable[[], tuple[Any, Any]], name: str) -> None:
        """`make` gives azure-eventhub's client and its consumer, not opened."""
        self.consumer: Any = None
        """Attached, no event asked for yet. Set before `done`."""
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._make = make
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads are allowed: a try that failed, as others do
            self.error = error
            self.done.set()

    def give_up(self) -> None:
        """The thread ends, and closes what it has, as soon as the client lets it."""
        self._given_up = True
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        client: Any = None
        consumer: Any = None
        try:
            client, consumer = self._make()
            while not self._given_up and not consumer._open():
                pass  # each try reads for up to the client's socket time-out
            if not self._given_up:
                self.consumer = consumer
        except BaseException as error:
            self.error = error
        if self.consumer is None:
            close_all(client, consumer)
        self.done.set()


def close_all(client: Any, consumer: Any) -> None:
    """Closes the client's parts, of which any may be None; what they say of that no longer matters."""
    connection = getattr(getattr(consumer, "_handler", None), "_connection", None)
    # Last: the client closes its session first, which fails over a dead socket, and then leaves that open.
    socket = getattr(connection, "_transport", None)
    for part in (consumer, client, socket):
        try:
            if part is not None:
                part.close()
        except Exception as error:
            logger.debug("Closing the link: %s", error)


class _Link:
    """An attached link. `poll` reads what is there; every error comes out of it as the client or the socket raised it."""

    def __init__(self, consumer: Any, prefetch: Prefetch, decoder: Decoder) -> None:
        self.newest: int | None = None
        self.more = False
        self._consumer = consumer
        self._prefetch = prefetch
        self._decoder = decoder
        self._handler = consumer._handler
        self._connection = self._handler._connection
        self._session = self._handler._session
        self._link = self._handler._link
        self._transport = self._connection._transport
        self._stream: Stream = self._transport.sock.stream
        self._wait = self._stream.wait
        self._transfers = TransferSplitter(self._link.remote_handle, self._connection._max_frame_size, decoder.slices)
        self._counted = 0
        self._error: BaseException | None = None
        self._tended_at = 0.0
        self._awaits_token = False
        # From here on the client reads frames through us: when it waits for an answer about a token, say.
        self._transport.receive_frame = self._frame_for_client
        self._in = Reads(self._stream)
        self._reads: list[Slices] = []
        """The messages of each read."""
        first = self._transfers.feed(self._transport._read_buffer.read())
        if first:
            self._reads.append(first)
        prefetch.link()
        self._grant()

    def poll(self, timeout: float) -> list[Received]:
        """The next events. What came before an error is handed on first."""
        if self._error is not None:
            raise self._error
        try:
            self._tend()
            self._top_up()
            self._read(timeout)
        except Exception as error:
            self._error = error
        reads, self._reads = self._reads, []
        return self._events(reads)

    def _read(self, timeout: float) -> None:
        self.more = False
        if not self._wait(0):
            self._prefetch.silent()
            if not timeout or not self._wait(timeout):
                return
        read = 0
        try:
            while read < TURN_BYTES:
                read += self._receive()
                self._top_up()
                if not self._wait(0):
                    return
            self.more = True
        finally:
            # Also in front of an end of the stream: the hub's last frame says why.
            if self._transfers.others:
                self._hand_over()
                self._check()

    def _receive(self) -> int:
        """Takes what is there, up to about one large read. Returns its bytes."""
        data = self._in.read()
        if data is None:  # the rest of a TLS record is still on its way, or it was a ping of WebSocket
            return 0
        if not data:
            raise ConnectionResetError("the hub closed the connection")
        messages = self._transfers.feed(data)
        if messages:
            self._reads.append(messages)
            # Not the bytes read: a message may have come in many reads.
            self._prefetch.received(len(messages), messages.total_bytes)
        self._account(len(messages))
        return len(data)

    def _hand_over(self) -> None:
        """Gives the client its frames."""
        while self._transfers.others:
            self._connection._process_incoming_frame(*self._frame_for_client())

    def _account(self, messages: int) -> None:
        """Keeps the client's own books of window and credit."""
        session, link = self._session, self._link
        self._connection._last_frame_received_time = time.time()
        frames = self._transfers.frames - self._counted
        self._counted = self._transfers.frames
        session.next_incoming_id = (session.next_incoming_id + frames) & _ID_MASK
        session.remote_outgoing_window -= frames
        session.incoming_window -= frames
        link.delivery_count = (link.delivery_count + messages) & _ID_MASK
        link.current_link_credit -= messages

    def _top_up(self) -> None:
        """Grants more before the hub has to wait. Not while no events are wanted: what is held then stays bounded."""
        session, link = self._session, self._link
        window_is_low = session.incoming_window <= session.target_incoming_window // 2
        if window_is_low or self._prefetch.due(link.current_link_credit):
            self._grant()

    def _grant(self) -> None:
        self._prefetch.granted()
        session = self._session
        if session.incoming_window <= session.target_incoming_window // 2:
            session.incoming_window = session.target_incoming_window
        self._link.flow(link_credit=self._prefetch.credit)

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
            newest = newest_of(buf[start:end])
            self.newest = self.newest if newest is None else newest
        return events

    def _until_bad(self, slices: Slices, events: list[Received]) -> None:
        """Adds the events in front of the bad message: they were made, and lost with their list, so one by one."""
        for slice_ in slices:
            try:
                events.append(self._decoder.decode(*slice_))
            except AmqpError:
                return

    def tend(self) -> None:
        """Keeps the link alive while no events are wanted. Errors come with the next `poll`."""
        try:
            if self._error is None:
                self._tend()
        except Exception as error:
            self._error = error

    def _tend(self) -> None:
        """Once a second, what the client does between two reads: empty frames, a fresh token."""
        now = time.monotonic()
        if now - self._tended_at >= TEND_SECONDS:
            self._tended_at = now
            while self._awaits_token and self._wait(0):
                self._receive()  # the answer may be behind all events that the hub was allowed to send
            self._connection.listen(wait=False)
            self._hand_over()
            self._check()

    def _check(self) -> None:
        """Raises what the client knows of the link's end; renews the token when that is due."""
        if self._connection._error is not None:
            raise self._connection._error
        ensure_token_link(self._handler)
        self._awaits_token = not self._handler.auth_complete()
        if self._link.get_state() is not LinkState.ATTACHED:
            raise LinkEnded("lost", "detached", "the hub detached the link without a reason")

    def _frame_for_client(self, **_: Any) -> tuple[int | None, Any]:
        """In place of the client's reading of one frame. (None, None) is its word for nothing there."""
        if not self._transfers.others and self._wait(0):
            self._receive()
        if not self._transfers.others:
            return None, None
        channel, frame = _for_client(self._transfers.others.pop(0))
        if frame[0] == _FLOW:
            # As of when it was sent. Transfers behind it are counted already.
            frame[1][_NEXT_OUTGOING_ID] = self._session.next_incoming_id
        return channel, frame

    def close(self) -> None:
        close_all(self._consumer._client, self._consumer)


def _for_client(frame: bytes) -> tuple[int, Any]:
    """Channel and decoded frame, as the client's transport gives them to its connection."""
    view = memoryview(frame)
    decoded = decode_empty_frame(view) if len(frame) == 8 else decode_frame(view[4 * frame[4] :])
    return int.from_bytes(frame[6:8], "big"), decoded


class FastTransport:
    """Implements `receive.Transport`."""

    name = "fast"

    def __init__(self, config: Config, partition: str, *, owned: bool = True) -> None:
        self._config = config
        self._partition = partition
        # As in the other transport: a later process wins the partition from an earlier one.
        self._owner_level = time.time_ns() // 1_000_000 if owned else None
        self._prefetch = Prefetch(config.source.prefetch)
        self._decoder = decoder_of(config.source.format)
        self._opening: _Opening | None = None
        self._link: _Link | None = None

    @property
    def credit(self) -> int:
        return self._prefetch.credit

    @property
    def attached(self) -> bool:
        return self._link is not None

    @property
    def newest(self) -> int | None:
        return self._link.newest if self._link is not None else None

    @property
    def more(self) -> bool:
        return self._link is not None and self._link.more

    def open(self, start: StartAt) -> None:
        self._opening = _Opening(lambda: self._make(start), f"attach-{self._partition}")
        self._opening.start()

    def _make(self, start: StartAt) -> tuple[Any, Any]:
        client = event_hubs.client(self._config)
        consumer: Any = client._create_consumer(
            self._config.source.consumer_group,
            self._partition,
            start.position,
            _never_called,
            event_position_inclusive=start.inclusive,
            owner_level=self._owner_level,
            prefetch=self._prefetch.credit,
            track_last_enqueued_event_properties=True,
        )
        # The client's keep-alive thread would read the socket at the same time as we do.
        consumer._keep_alive = 0
        return client, consumer

    def poll(self, timeout: float) -> Sequence[Received]:
        try:
            if self._opening is not None:
                if not self._opening.done.wait(timeout):
                    return ()
                opened, self._opening = self._opening, None
                if opened.error is not None:
                    raise opened.error
                self._link = _Link(opened.consumer, self._prefetch, self._decoder)
            return self._link.poll(timeout) if self._link is not None else ()
        except Exception as error:
            raise link_ended(error) from error

    def tend(self) -> None:
        if self._link is not None:
            self._link.tend()

    def close(self) -> None:
        if self._opening is not None:
            self._opening.give_up()
            if self._opening.consumer is not None:
                close_all(self._opening.consumer._client, self._opening.consumer)
            self._opening = None
        if self._link is not None:
            self._link.close()
            self._link = None


def _never_called(*_: object) -> None:
    raise AssertionError("the client's own receive loop is not used")
