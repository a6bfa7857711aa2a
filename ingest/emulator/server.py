"""The AMQP server: listeners, connected clients, and which link serves which address."""

import asyncio
import contextlib
import socket
import ssl
import uuid
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ingest.amqp.performatives import RECEIVER, SENDER, Attach, Source, Target
from ingest.emulator import conditions
from ingest.emulator.amqp import cbs
from ingest.emulator.amqp.authorization import Authorization, address_path
from ingest.emulator.amqp.connection import Connection
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.amqp.request_links import RequestLink, ResponseLink
from ingest.emulator.amqp.websocket import FirstBytes
from ingest.emulator.conditions import LinkRefused
from ingest.emulator.keys import Keys
from ingest.emulator.stats import PartitionStats, Stats
from ingest.emulator.telemetry import management
from ingest.emulator.telemetry.admission import admit
from ingest.emulator.telemetry.event_receiver import ADDRESS, EventReceiver
from ingest.emulator.telemetry.hub import Hub
from ingest.emulator.telemetry.log import PartitionLog
from ingest.listeners import cut_off, take_no_more
from ingest.timing import Clock

if TYPE_CHECKING:
    from ingest.emulator.control.faults import Faults, LiveReceiver

_TICK_SECONDS = 0.05
_BACKLOG = 1024

LinkFactory: TypeAlias = Callable[[LinkOwner, Attach], Link]


class AmqpServer:
    """Used only in the loop's thread, except `_on_published`. Lifecycle: `listen`, `close`."""

    faults: "Faults"
    """Set by the owner before `listen`, because the faults refer to the server too."""

    def __init__(
        self,
        hub: Hub,
        keys: Keys,
        clock: Clock,
        *,
        loop: asyncio.AbstractEventLoop,
        idle_seconds: float,
        changed: Callable[[], None],
    ) -> None:
        """`idle_seconds`: a client silent for longer is disconnected. `changed()` is called after each change."""
        self.hub = hub
        self.loop = loop
        self.idle_seconds = idle_seconds
        self.container_id = f"{uuid.uuid4().hex}_G0"
        self.keys = keys
        self._clock = clock
        self._changed = changed
        self._routes: list[tuple[Callable[[str], bool], bool, LinkFactory]] = []
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[Connection, None] = {}
        self._transports = weakref.WeakSet[asyncio.Transport]()
        """Of the TLS listeners, also before it is known whether AMQP or WebSocket comes."""
        self._closed = False
        self._accepted = 0
        self._receivers: dict[str, list[EventReceiver]] = defaultdict(list)
        self._attaches: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._delivered: Counter[str] = Counter()
        self._woken: set[str] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_acts: list[Callable[[], None]] = []
        hub.subscribe(self._on_published)
        self.route(lambda path: path == cbs.NODE, SENDER, self._token_requests)
        self.route(lambda path: path == cbs.NODE, RECEIVER, ResponseLink)
        self.route(lambda path: path == management.NODE, SENDER, self._questions)
        self.route(lambda path: path == management.NODE, RECEIVER, ResponseLink)
        self.route(lambda path: ADDRESS.fullmatch(path) is not None, RECEIVER, self._event_receiver)

    def route(self, matches: Callable[[str], bool], client_role: bool, factory: LinkFactory) -> None:
        """Let `factory` make the links to addresses whose path `matches`; `client_role` is SENDER or RECEIVER.

        The path is lower case, without host and outer slashes. The factory can raise LinkRefused.
        """
        self._routes.append((matches, client_role, factory))

    def route_authorized(self, path: str, client_role: bool, factory: LinkFactory) -> None:
        """As `route`, for one path; refuses the link unless the connection has put a token for it."""
        self.route(
            lambda asked: asked == path, client_role, lambda session, attach: self._authorized(factory(session, attach))
        )

    def every_tick(self, act: Callable[[], None]) -> None:
        """Call `act` in the loop's thread many times a second while a listener exists."""
        self._tick_acts.append(act)

    async def listen(self, host: str, tls: ssl.SSLContext | None) -> int:
        """Open a listener on a free port and return the port. Raises OSError."""
        return await self.listen_on(socket.create_server((host, 0)), tls)

    async def listen_on(self, bound: socket.socket, tls: ssl.SSLContext | None) -> int:
        """Open a listener on a bound socket and own the socket; with TLS it takes WebSocket, too. Returns the port. Raises
        OSError."""
        # asyncio does that only for sockets that know their protocol; else each answer waits for the client to acknowledge the
        # one before, which takes it up to 40 ms. Connections inherit it.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = self._new_connection if tls is None else lambda: FirstBytes(self._new_connection, self._opened)
        listener = await self.loop.create_server(made, sock=bound, ssl=tls, backlog=_BACKLOG)
        self._listeners.append(listener)
        if self._ticker is None:
            self._tick()
        port: int = listener.sockets[0].getsockname()[1]
        return port

    def _new_connection(self) -> Connection:
        return Connection(self, Authorization(self.keys, self._clock))

    def _opened(self, transport: asyncio.Transport) -> None:
        self._transports.add(transport)
        if self._closed:
            transport.abort()

    async def close(self) -> None:
        """Stop listening and reset every connection, also those that still come up."""
        self._closed = True
        await take_no_more(bound for listener in self._listeners for bound in listener.sockets)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections):
            connection.abort()
        cut_off(list(self._transports))
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick(self) -> None:
        self._ticker = self.loop.call_later(_TICK_SECONDS, self._tick)
        for connection in list(self._connections):
            connection.tick()
        for act in self._tick_acts:
            act()

    # What connections and links report.

    def joined(self, connection: Connection) -> None:
        self._connections[connection] = None
        self._accepted += 1
        self._changed()

    def left(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._changed()

    def new_link(self, session: LinkOwner, attach: Attach) -> Link:
        """Returns the link that an attach asks for, not yet accepted. Raises LinkRefused."""
        terminus = attach.source if attach.role is RECEIVER else attach.target
        address = terminus.address if isinstance(terminus, Source | Target) else None
        if isinstance(address, str):
            path = address_path(address)
            for matches, client_role, factory in self._routes:
                if client_role is attach.role and matches(path):
                    return factory(session, attach)
        raise LinkRefused(conditions.not_found(str(address)))

    def receiver_joined(self, receiver: EventReceiver) -> None:
        receivers = self._receivers[receiver.partition]
        if receiver.epoch is not None:
            for other in [each for each in receivers if each.group == receiver.group]:
                other.detach(conditions.stolen(receiver.epoch, other.epoch))
        receivers.append(receiver)
        self._changed()

    def receiver_left(self, receiver: EventReceiver) -> None:
        self._receivers[receiver.partition].remove(receiver)
        self._changed()

    def delivered(self, partition: str, count: int) -> None:
        self._delivered[partition] += count
        self._changed()

    def now_ms(self) -> int:
        """Returns milliseconds since 1970 by the emulator's clock."""
        return int(self._clock() * 1000)

    @property
    def round_trip(self) -> float:
        return self.faults.round_trip

    # Links.

    def _token_requests(self, session: LinkOwner, attach: Attach) -> Link:
        return RequestLink(session, attach, lambda peer, request: cbs.answer(peer, request, self.faults.refuses_token))

    def _questions(self, session: LinkOwner, attach: Attach) -> Link:
        return RequestLink(session, attach, lambda peer, request: management.answer(peer, request, self.hub))

    def _event_receiver(self, session: LinkOwner, attach: Attach) -> Link:
        source = attach.source
        match = ADDRESS.fullmatch(address_path(str(source.address))) if isinstance(source, Source) else None
        partition = match["partition"] if match else ""
        self._attaches[partition] += 1
        self._changed()
        try:
            refusal = self.faults.attach_refusal(partition)
            if refusal is not None:
                raise LinkRefused(refusal)
            receiver = EventReceiver(session, attach, self.hub, self.faults, self)
            self._authorized(receiver)
            present = [each.epoch for each in self._receivers[partition] if each.group == receiver.group]
            refusal = admit(present, receiver.epoch)
            if refusal is not None:
                raise LinkRefused(refusal)
        except LinkRefused:
            self._refused[partition] += 1
            raise
        return receiver

    def _authorized(self, link: Link) -> Link:
        refusal = link.session.peer.authorization.refusal(link.auth_path or "")
        if refusal is not None:
            raise LinkRefused(conditions.unauthorized(refusal))
        return link

    # News from the hub.

    def _on_published(self, partition: str) -> None:
        """Runs in any thread; wakes the loop once for all events that come before it looks."""
        if partition not in self._woken:
            self._woken.add(partition)
            # A closed loop raises RuntimeError: it has no receivers left to serve.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._serve, partition)

    def _serve(self, partition: str) -> None:
        self._woken.discard(partition)
        for receiver in list(self._receivers[partition]):
            receiver.pump()
        self._changed()

    # What faults and statistics ask.

    def receivers(self) -> "list[LiveReceiver]":
        return [receiver for partition in self.hub.partitions for receiver in self._receivers[partition]]

    def peers(self) -> list[Connection]:
        return list(self._connections)

    def stats(self) -> Stats:
        return Stats(
            connections=len(self._connections),
            connections_accepted=self._accepted,
            partitions={partition: self._partition_stats(partition) for partition in self.hub.partitions},
        )

    def _partition_stats(self, partition: str) -> PartitionStats:
        def bounds(log: PartitionLog) -> tuple[int, int, int]:
            return log.begin, log.last.sequence_number, log.last.offset

        begin, last, offset = self.hub.query(partition, bounds)
        return PartitionStats(
            begin_sequence_number=begin,
            last_sequence_number=last,
            last_offset=offset,
            attaches=self._attaches[partition],
            refused=self._refused[partition],
            delivered=self._delivered[partition],
            receivers=tuple(receiver.stats() for receiver in self._receivers[partition]),
        )
