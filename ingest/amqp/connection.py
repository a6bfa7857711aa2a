"""A connection without I/O, for either side: bytes in, events out, bytes to send (AMQP 1.0 parts 2.2 to 2.4).

The user feeds the peer's bytes to `receive` and handles the events, sends the bytes of `data_to_send`, and calls `tick`
regularly. If the peer does something that AMQP does not allow, the connection is closed with the name of that mistake; the
user gets `Closed`, never an exception. `WrongMove` means that the user asked for something at the wrong time.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

from ingest.amqp.composites import Composite
from ingest.amqp.dispositions import Run
from ingest.amqp.errors import AmqpError, PeerMistake, WrongMove
from ingest.amqp.frames import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    MIN_MAX_FRAME_SIZE,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameSplitter,
    ProtocolHeader,
    encode_frame,
)
from ingest.amqp.legible import read_frame
from ingest.amqp.lifetime import Half, Lifetime, Move
from ingest.amqp.link import AttachAsked, Attached, Detached
from ingest.amqp.performatives import Begin, Close, Error, Open, shortened
from ingest.amqp.receiver import Delivery, Settled
from ingest.amqp.sasl import Layer, RefusedLogin
from ingest.amqp.sender import Outcome, Sendable
from ingest.amqp.session import FRAMING, Begun, Ended, Session, SessionLimits
from ingest.amqp.types import Buffer
from ingest.timing import Clock

DECODE_ERROR: Final = "amqp:decode-error"
FORCED: Final = "amqp:connection:forced"


class Opened(NamedTuple):
    """The connection is up; `remote` is the peer's open."""

    remote: Open


class Closed(NamedTuple):
    """The connection is over, and this side did not `close` it. Its sessions have ended before, each with its event.

    Comes once. There can still be bytes to send.
    """

    error: Error | None
    """The reason: the peer's own words, or our description of its mistake."""
    by_peer: bool


Event: TypeAlias = (
    Opened | Closed | Begun | Ended | AttachAsked | Attached | Detached | Delivery | Settled | Outcome | Sendable
)


class Connection:
    """One side of a connection."""

    def __init__(
        self,
        local: Open,
        *,
        clock: Clock,
        sasl: Layer | None = None,
        accepts: SessionLimits | None = None,
        write: Callable[[bytes], None] | None = None,
    ) -> None:
        """`local`: this side's open; its `max_frame_size` bounds the peer's frames, its `channel_max` the sessions and its
        `idle_time_out` the silence of the peer. `accepts`: the answer to a peer that begins a session; None: it must not.
        `write`: gets bytes as soon as there are any, instead of `data_to_send`. `clock` returns seconds.
        """
        self.lifetime = Lifetime()
        self.local = replace(
            local,
            max_frame_size=65_536 if local.max_frame_size is None else max(MIN_MAX_FRAME_SIZE, local.max_frame_size),
            channel_max=65_535 if local.channel_max is None else local.channel_max,
        )
        self.remote: Open | None = None
        """The peer's open."""
        self.max_frame_size = MIN_MAX_FRAME_SIZE
        """Of the frames that the peer takes, bytes."""
        self._clock = clock
        self._sasl = sasl
        self._accepts = accepts
        self._out: list[bytes] = []
        self._write = self._out.append if write is None else write
        self._splitter = FrameSplitter(self.local.max_frame_size or MIN_MAX_FRAME_SIZE)
        self._sessions: dict[int, Session] = {}
        """By our channel."""
        self._by_remote_channel: dict[int, Session] = {}
        self._events: list[Any] = []
        self._is_client = False
        self._has_header = False
        self._sent_header = False
        self._over = False
        self._last_received = self._last_sent = clock()

    # Called by the user.

    @property
    def sessions(self) -> list[Session]:
        """All that are not over, in order of creation."""
        return list(self._sessions.values())

    @property
    def up(self) -> bool:
        """Whether sessions can begin."""
        return self.lifetime.up

    @property
    def finished(self) -> bool:
        """Whether the stream can be closed once everything is sent: the peer sends nothing more."""
        return self.lifetime.over

    def data_to_send(self) -> bytes:
        """Returns all pending bytes, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def start(self) -> None:
        """Begins as a client; a server waits for the client's first bytes. Raises WrongMove the second time."""
        if self._sent_header or self.lifetime.ours is not Half.NEW:
            raise WrongMove("The connection has begun already.")
        self._is_client = True
        if self._sasl is not None and not self._sasl.done:
            self._put(self._sasl.start())
        else:
            self._open()

    def begin(self, limits: SessionLimits | None = None, *, channel: int | None = None) -> Session:
        """Begins a session; `Begun` says when it can be used. Raises WrongMove if the connection is not up."""
        if not self.lifetime.up or self.remote is None:
            raise WrongMove("The connection is not open: no session can begin.")
        number = self._lowest_channel() if channel is None else channel
        most = 65_535 if self.remote.channel_max is None else self.remote.channel_max
        if number in self._sessions or number > most:
            raise WrongMove(f"Channel {number} is in use, or above the peer's limit of {most}.")
        session = Session(self, number, limits or SessionLimits())
        session.begin()
        self._sessions[number] = session
        return session

    def close(self, error: Error | None = None) -> None:
        """Closes the connection. Later frames of the peer are dropped until `finished`. A second call does nothing."""
        if self.lifetime.ours is Half.UP:
            self.write(self.frame(0, Close(error=error)))
            self.lifetime.we(Move.CLOSE)
        elif self.lifetime.ours is Half.NEW:
            self.lifetime.lost()
        self._over = True
        for session in self.sessions:
            session.dropped()
        self._forget_sessions()

    def lose(self, error: Error | None = None) -> list[Event]:
        """Handles the end of the stream. Returns the resulting events."""
        self._end(error, by_peer=True)
        self.lifetime.lost()
        return self.events()

    def receive(self, data: Buffer) -> list[Event]:
        """Takes bytes of the peer, in pieces of any size. Returns the resulting events, in order."""
        if data:
            self._last_received = self._clock()
        try:
            for item in self._splitter.each(data):
                if isinstance(item, Run):
                    self._on_run(item)
                elif isinstance(item, ProtocolHeader):
                    self._on_header(item.raw)
                elif item.body:
                    self._on_frame(item)
        except PeerMistake as mistake:
            self._fail(mistake.condition, str(mistake), mistake)
        except AmqpError as error:
            self._fail(DECODE_ERROR, str(error))
        return self.events()

    def events(self) -> list[Event]:
        """Returns the events that result from the user's own calls, such as an `accept`, not from `receive` or `tick`."""
        events, self._events = self._events, []
        return events

    def take_over(self) -> bytes:
        """Returns the beginning of an incomplete frame.

        From then on the user splits the stream: the transfer frames of one link are booked with the link's `count`, and all
        other frames go to `receive`.
        """
        return self._splitter.take_rest()

    def tick(self) -> list[Event]:
        """Sends a heartbeat if it is due, and closes the connection to a silent peer. Returns the events."""
        now = self._clock()
        if self.lifetime.up and self.remote is not None:
            if self.remote.idle_time_out and now - self._last_sent >= self.remote.idle_time_out / 2000:
                self.write(EMPTY_FRAME)
            idle = self.local.idle_time_out
            if idle and now - self._last_received > idle / 1000:
                self._fail(
                    FORCED,
                    f"The connection was inactive for more than the allowed {idle} milliseconds and is closed by "
                    f"container '{self.local.container_id}'.",
                )
        return self.events()

    def heard(self) -> None:
        """Notes that the peer sent bytes that bypassed the connection."""
        self._last_received = self._clock()

    @property
    def silent_seconds(self) -> float:
        """Seconds since the peer last sent something."""
        return self._clock() - self._last_received

    @property
    def due_in(self) -> float:
        """Seconds until `tick` can have something to do, never negative; infinite if never."""
        if not self.lifetime.up or self.remote is None:
            return float("inf")
        due = []
        if self.remote.idle_time_out:
            due.append(self._last_sent + self.remote.idle_time_out / 2000)
        if self.local.idle_time_out:
            due.append(self._last_received + self.local.idle_time_out / 1000)
        return max(0.0, min(due) - self._clock()) if due else float("inf")

    # Called by sessions.

    def frame(self, channel: int, performative: Composite) -> bytes:
        """Returns the frame; cuts an error that is too long for the peer. Raises WrongMove if it still does not fit."""
        frame = encode_frame(channel, performative)
        if len(frame) > self.max_frame_size:
            frame = encode_frame(channel, shortened(performative))
        if len(frame) > self.max_frame_size:
            name = type(performative).__name__
            raise WrongMove(f"{name} needs {len(frame)} bytes; the peer takes frames of {self.max_frame_size}.")
        return frame

    def write(self, data: bytes) -> None:
        if self.lifetime.ours is Half.UP:
            self._put(data)

    def emit(self, event: object) -> None:
        if not self._over:
            self._events.append(event)

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.channel, None)
        if session.remote_channel is not None:
            self._by_remote_channel.pop(session.remote_channel, None)

    # Internal.

    def _put(self, data: bytes) -> None:
        if data:
            self._last_sent = self._clock()
            self._write(data)

    def _open(self) -> None:
        self.lifetime.we(Move.OPEN)
        self._sent_header = True
        # The peer takes an open of any size (part 2.4.1).
        self._put(AMQP_HEADER + encode_frame(0, self.local))

    def _lowest_channel(self) -> int:
        return next(number for number in range(len(self._sessions) + 1) if number not in self._sessions)

    def _on_header(self, raw: bytes) -> None:
        if self._over or self._has_header:
            if not self._over:
                raise PeerMistake(FRAMING, f"The protocol header {raw!r} comes in the middle of the connection.")
            return
        sasl = self._sasl
        if sasl is not None and not sasl.done:
            self._put(sasl.on_header(raw))
            if not sasl.done:
                return
        if raw != AMQP_HEADER:
            # Part 2.2: answer with the correct header, then close the stream.
            raise PeerMistake(FRAMING, f"The peer begins with {raw!r}, which is not the header of AMQP 1.0.")
        self._has_header = True
        if not self._sent_header:
            self._sent_header = True
            self._put(AMQP_HEADER)

    def _on_frame(self, frame: Frame) -> None:
        if self.lifetime.theirs is Half.DOWN:
            return
        performative, payload = read_frame(frame.body)
        sasl = self._sasl
        if sasl is not None and not sasl.done and frame.kind == SASL_FRAME:
            self._put(sasl.on_frame(performative))
            if sasl.done and self._is_client:
                self._open()
            return
        self._on_performative(frame, performative, payload)

    def _on_run(self, run: Run) -> None:
        if self.lifetime.theirs is not Half.DOWN:
            self._on_performative(Frame(AMQP_FRAME, run.channel, b""), run.said, b"", run.numbers)

    def _on_performative(
        self, frame: Frame, performative: Composite, payload: bytes, deliveries: Sequence[int] = ()
    ) -> None:
        """`deliveries` as for `Session.on_frame`."""
        if self._over:
            if isinstance(performative, Close):
                self.lifetime.lost()
        elif isinstance(performative, Close) and self.lifetime.they(Move.CLOSE):
            self._on_close(performative)
        elif isinstance(performative, Open) and self._has_header and self.lifetime.they(Move.OPEN):
            self._on_open(performative)
        elif not self.lifetime.they(Move.USE) or frame.kind == SASL_FRAME:
            name = type(performative).__name__.lower()
            raise PeerMistake(DECODE_ERROR, f"{name} on channel {frame.channel} does not belong here.")
        elif isinstance(performative, Begin):
            self._on_begin(performative, frame.channel)
        elif frame.channel in self._by_remote_channel:
            self._by_remote_channel[frame.channel].on_frame(performative, payload, deliveries)
        else:
            name = type(performative).__name__.lower()
            raise PeerMistake(DECODE_ERROR, f"{name} on channel {frame.channel} does not belong here.")

    def _on_open(self, peer: Open) -> None:
        self.remote = peer
        ours, theirs = self.local.max_frame_size or MIN_MAX_FRAME_SIZE, peer.max_frame_size
        self.max_frame_size = max(MIN_MAX_FRAME_SIZE, min(ours, ours if theirs is None else theirs))
        if self.lifetime.we(Move.OPEN):
            self._put(encode_frame(0, self.local))
        self.emit(Opened(peer))

    def _on_begin(self, begin: Begin, channel: int) -> None:
        most = self.local.channel_max
        if channel in self._by_remote_channel or (most is not None and channel > most):
            raise PeerMistake(DECODE_ERROR, f"begin on channel {channel} does not belong here.")
        if begin.remote_channel is not None:
            session = self._sessions.get(begin.remote_channel)
            if session is None or session.lifetime.theirs is not Half.NEW:
                raise PeerMistake(
                    FRAMING, f"begin answers to channel {begin.remote_channel}, on which nothing was asked."
                )
        elif self._accepts is None:
            raise PeerMistake("amqp:not-allowed", "The peer begins a session, which is not for it to do here.")
        else:
            number = channel if channel not in self._sessions else self._lowest_channel()
            session = self._sessions[number] = Session(self, number, self._accepts)
        self._by_remote_channel[channel] = session
        session.on_begin(begin, channel)

    def _on_close(self, close: Close) -> None:
        if self.lifetime.ours is Half.UP:
            self.write(self.frame(0, Close()))
            self.lifetime.we(Move.CLOSE)
        self._end(close.error if isinstance(close.error, Error) else None, by_peer=True)

    def _fail(self, condition: str, text: str, mistake: PeerMistake | None = None) -> None:
        """Closes because of a mistake of the peer, or its silence."""
        if self._over:
            self.lifetime.lost()
            return
        error = Error(condition=condition, description=text)
        if self.lifetime.ours is Half.UP and self.lifetime.theirs is not Half.DOWN and self._has_header:
            self.write(self.frame(0, Close(error=error)))
            self.lifetime.we(Move.CLOSE)
        else:
            if isinstance(mistake, RefusedLogin):
                self._put(mistake.answer)
            elif not self._has_header and not self._sent_header:
                # Part 2.2: answer with the correct header, then close the stream.
                in_front = self._sasl is not None and not self._sasl.done
                self._put(SASL_HEADER if in_front else AMQP_HEADER)
            self.lifetime.lost()
        self._end(error, by_peer=False)

    def _end(self, error: Error | None, *, by_peer: bool) -> None:
        if self._over:
            return
        for session in self.sessions:
            session.lost(error)
        self._forget_sessions()
        self.emit(Closed(error, by_peer))
        self._over = True

    def _forget_sessions(self) -> None:
        self._sessions.clear()
        self._by_remote_channel.clear()
