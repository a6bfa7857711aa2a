"""A connection to a hub with one session: a thin, blocking shell around `ingest.amqp.connection`.

One thread uses it. What comes is given to the part that owns the link (`ingest.hub.client.requests`, `.sending`,
`.receiving`); whatever ends the connection comes out of `work` as HubError or OSError.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ingest.amqp.connection import Closed, Connection, Event
from ingest.amqp.link import AttachAsked, Link
from ingest.amqp.performatives import Error
from ingest.amqp.session import Ended, Session, SessionLimits
from ingest.hub.client.manners import Manner
from ingest.hub.network.contract import Stream
from ingest.hub.service_errors import HubError
from ingest.timing import Clock, Deadline

READ_BYTES = 1 << 16
HANDLE_MAX = 0xFFFF_FFFF
NOT_HERE = Error(condition="amqp:not-allowed", description="Links are attached from this side only.")


class Part(Protocol):
    """Who owns a link."""

    def on(self, event: Any) -> None:
        """An event of the link. Raises nothing."""
        ...


class Client:
    """`start`, `work` until `advance`, then `work` again and again, `close`."""

    def __init__(
        self,
        stream: Stream,
        host: str,
        manner: Manner,
        *,
        container_id: str,
        idle_seconds: float | None = None,
        properties: Mapping[Any, Any] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """`idle_seconds`: a hub from which nothing comes for so long, not even an empty frame, is given up."""
        self.host = host
        self.manner = manner
        self.container_id = container_id
        self.clock = clock
        self._stream = stream
        self._idle_seconds = idle_seconds
        self._connection = Connection(
            manner.open(host, container_id=container_id, idle_seconds=idle_seconds, properties=properties),
            sasl=manner.sasl(host),
            clock=clock,
        )
        self._session: Session | None = None
        self._next_handle = manner.first_handle
        self._parts: dict[Link, Part] = {}
        self._error: Exception | None = None

    @property
    def session(self) -> Session:
        """Raises HubError if it is not there."""
        if self._session is None or not self._session.up:
            raise self._error or HubError("", "the session with the hub is not open")
        return self._session

    def start(self) -> None:
        """Begins to log in."""
        self._connection.start()

    def advance(self) -> bool:
        """Whether links can be attached; begins the session as soon as the connection is up."""
        if self._session is None and self._connection.up:
            self._session = self._connection.begin(SessionLimits(handle_max=HANDLE_MAX), channel=self.manner.channel)
        return self._session is not None and self._session.up

    def handles(self) -> tuple[int, int]:
        """The next two numbers of links."""
        first = self._next_handle
        self._next_handle += 2
        return first, first + 1

    def own(self, link: Link, part: Part) -> None:
        """Events of `link` go to `part`."""
        self._parts[link] = part

    def until(self, reached: Callable[[], bool], deadline: Deadline, what: str) -> None:
        """Works until then. Raises TimeoutError when the hub has not done `what` in time, else as `work`."""
        while not reached():
            if deadline.expired:
                raise TimeoutError(f"{self.host} has not {what} in time")
            self.work(deadline.remaining())

    def work(self, timeout: float) -> None:
        """Sends what is due, and takes what comes within `timeout` seconds; returns as soon as something has.

        Raises HubError, in the hub's words where it gave any, or OSError when the connection is over.
        """
        with self._until_over():
            self._tick()
            if self._error is None and self._stream.wait(max(0.0, min(timeout, self._connection.due_in))):
                self._read()
            self.flush()

    def flush(self) -> None:
        """Sends what is due. Raises OSError."""
        data = self._connection.data_to_send()
        if data:
            self._stream.write(data)

    def close(self) -> None:
        """Says good-bye without waiting for an answer. Raises nothing."""
        self._connection.close()
        with contextlib.suppress(OSError):  # a broken stream cannot say good-bye
            self.flush()
        self._error = self._error or HubError("", "the connection was closed from this side")
        self._stream.close()

    # For who reads the stream himself.

    def take_over(self) -> tuple[Stream, bytes]:
        """The stream, and the beginning of a frame that was read from it: from now on the caller cuts it, as
        `ingest.amqp.connection.Connection.take_over` says, and calls the next three in place of `work`."""
        return self._stream, self._connection.take_over()

    @property
    def max_frame_size(self) -> int:
        """Of the frames that the hub may send, bytes."""
        return self._connection.local.max_frame_size or 0

    def heard(self) -> None:
        """Something has come from the hub."""
        self._connection.heard()

    def pass_on(self, frame: bytes) -> None:
        """Takes a whole frame, and sends what follows from it. Raises as `work`."""
        with self._until_over():
            self._take(self._connection.receive(frame))
            self.flush()

    def keep_alive(self) -> None:
        """Sends what is due, an empty frame too, and gives a silent hub up. Raises as `work`."""
        with self._until_over():
            self._tick()

    # Inside.

    @contextlib.contextmanager
    def _until_over(self) -> Iterator[None]:
        """Raises what has ended the connection, before or in there."""
        if self._error is not None:
            raise self._error
        try:
            yield
        except OSError as error:
            if self._error is None:
                self._error = error
                self._take(self._connection.lose(Error(condition="", description=str(error))))
        if self._error is not None:
            raise self._error

    def _tick(self) -> None:
        self._take(self._connection.tick(), silent=True)
        self.flush()

    def _read(self) -> None:
        """Takes what is there: a hub that writes answers one by one makes a TLS record of each."""
        read: list[bytes] = []
        left = READ_BYTES
        try:
            while left > 0 and (data := self._stream.read(left)) is not None:
                if not data:
                    raise ConnectionResetError("the hub closed the connection")
                read.append(data)
                left -= len(data)
        finally:  # also in front of an end of the stream: the hub's last frame says why
            if read:
                self._take(self._connection.receive(b"".join(read)))

    def _take(self, events: list[Event], *, silent: bool = False) -> None:
        """`silent`: whether an end is that of a hub which said nothing for too long."""
        closed = events[-1] if events and isinstance(events[-1], Closed) else None  # nothing comes after it
        if silent and closed is not None:
            self._error = self._error or HubError("", f"no frame from the hub for {self._idle_seconds:g} s", "silent")
        for event in events:
            part = self._parts.get(getattr(event, "link", None))  # type: ignore[arg-type]  # None is no key
            if part is not None:
                part.on(event)
                continue
            match event:
                case Closed(error, _):
                    wordless = "the hub closed the connection without a reason"
                    self._error = self._error or hub_error(error, wordless, "closed")
                case Ended(_, error) if closed is not None and error in (None, closed.error):
                    pass  # with the connection, which says more
                case Ended(_, error):
                    wordless = "the hub ended the session without a word"
                    self._error = self._error or hub_error(error, wordless, "detached")
                case AttachAsked(link):
                    if link.asked:
                        link.refuse(NOT_HERE)


def hub_error(error: Error | None, otherwise: str, reason: str = "") -> HubError:
    """What the hub said at an end; `otherwise` in its place, with a reason as HubError has it, if it said nothing."""
    if error is None:
        return HubError("", otherwise, reason)
    words = error.description or ""
    return HubError(error.condition, words if error.condition or words else otherwise, reason)
