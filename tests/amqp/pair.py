"""A client and a server of `ingest.amqp` with a wire between them that holds bytes until it is told to pass them on."""

from collections.abc import Callable
from typing import Any

from ingest.amqp.composites import Composite
from ingest.amqp.connection import Connection, Event
from ingest.amqp.frames import encode_frame
from ingest.amqp.link import AttachAsked, Link
from ingest.amqp.performatives import Attach, Open, Source, Target
from ingest.amqp.receiver import Receiver
from ingest.amqp.sasl import ANONYMOUS, MSSBCBS, PLAIN, SaslClient, SaslServer
from ingest.amqp.sender import Sender
from ingest.amqp.session import Session, SessionLimits


class Clock:
    """Stands still but for `now += seconds`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


STOPPED = Clock()


def client(clock: Callable[[], float] = STOPPED, **fields: Any) -> Connection:
    return Connection(Open(container_id="client", **fields), clock=clock, sasl=SaslClient())


def server(clock: Callable[[], float] = STOPPED, *, window: int = 100, **fields: Any) -> Connection:
    sasl = SaslServer((ANONYMOUS, MSSBCBS, PLAIN), lambda init: init.mechanism != PLAIN)
    accepts = SessionLimits(window=window, handle_max=63, first_id=1, spelled_out=True)
    return Connection(Open(container_id="server", **fields), clock=clock, sasl=sasl, accepts=accepts)


def asked(*, sends: bool, name: str = "l", settled: bool = False) -> Attach:
    """What this side asks for with a link that it `sends` on."""
    return Attach(
        name=name,
        handle=0,
        role=not sends,
        snd_settle_mode=1 if settled else 0,
        source=Source(address="from"),
        target=Target(address="to"),
        initial_delivery_count=5 if sends else None,
    )


def accept(link: Link) -> None:
    assert link.remote is not None
    link.accept(asked(sends=link.sends, name=link.name, settled=link.remote.snd_settle_mode == 1))


class Pair:
    """Two connections. `ends[0]` is the client. Attaches that the peer asks for are accepted at once."""

    def __init__(self, ours: Connection | None = None, theirs: Connection | None = None) -> None:
        self.ends = (ours or client(), theirs or server())
        self.events: tuple[list[Event], list[Event]] = ([], [])
        self.wires = (b"", b"")
        """On the way to each end."""
        self.accepts: Callable[[Link], None] = accept
        self.heard_by_server = bytearray()
        """Everything that the server has received."""

    def move(self, to: int, count: int | None = None) -> list[Event]:
        """Passes on so many bytes, all by default, to that end."""
        sent = self.ends[1 - to].data_to_send()
        wires = list(self.wires)
        wires[to] += sent
        data, wires[to] = wires[to][:count], b"" if count is None else wires[to][count:]
        self.wires = (wires[0], wires[1])
        if to == 1:
            self.heard_by_server += data
        events = self.ends[to].receive(data)
        self.events[to].extend(events)
        for event in events:
            if isinstance(event, AttachAsked) and event.link.asked:
                self.accepts(event.link)
        return events

    def settle(self) -> None:
        """Until neither has anything to say."""
        while True:
            before = len(self.events[0]), len(self.events[1])
            self.move(1)
            self.move(0)
            quiet = not self.wires[0] and not self.wires[1]
            if quiet and before == (len(self.events[0]), len(self.events[1])) and not self._talks():
                return

    def _talks(self) -> bool:
        self.wires = tuple(  # type: ignore[assignment]  # two stay two
            wire + end.data_to_send() for wire, end in zip(self.wires, reversed(self.ends), strict=True)
        )
        return any(self.wires)

    def opened(self) -> "Pair":
        self.ends[0].start()
        self.settle()
        assert self.ends[0].up
        assert self.ends[1].up
        return self

    def begun(self, window: int = 100) -> tuple[Session, Session]:
        self.opened()
        session = self.ends[0].begin(SessionLimits(window=window, handle_max=63))
        self.settle()
        return session, self.ends[1].sessions[0]

    def sending(self, *, settled: bool = False) -> tuple[Sender, Receiver]:
        """A link on which the client sends, and the server's end of it."""
        session, other = self.begun()
        link = session.attach_sender(asked(sends=True, settled=settled))
        self.settle()
        (end,) = other.links
        assert isinstance(end, Receiver)
        return link, end

    def receiving(self) -> tuple[Receiver, Sender]:
        """A link on which the client receives, and the server's end of it."""
        session, other = self.begun()
        link = session.attach_receiver(asked(sends=False))
        self.settle()
        (end,) = other.links
        assert isinstance(end, Sender)
        return link, end

    def says(self, who: int, performative: Composite, payload: bytes = b"", channel: int = 0) -> list[Event]:
        """Passes a frame on that `who` has not made by its own rules. Returns what the other makes of it."""
        self.settle()
        to = 1 - who
        events = self.ends[to].receive(encode_frame(channel, performative, payload))
        self.events[to].extend(events)
        return events


def of(events: list[Event], *kinds: type) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def shown(event: Event) -> str:
    """An event in words, the same for equal events of other connections."""
    parts = [getattr(part, "name", part) for part in event if not isinstance(part, Session)]
    return repr((type(event).__name__, *parts))
