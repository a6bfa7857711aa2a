"""`transport = "sdk"`: one link through azure-eventhub's public `EventHubConsumerClient.receive_batch`.

The client accepts a custom transport class (`amqp_transport`). Ours changes three things and nothing on the wire:
every error ends the link and reaches us (the client would drop the error of a refused attach and retry in silence),
events are handed on as soon as no more are waiting on the socket (the client waits for a whole prefetch of them), and
messages that the client cannot decode are decoded by `ingest.amqp`. These are private seams: checked at import against
one minor version.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from azure.eventhub import EventData, EventHubConsumerClient, PartitionContext
from azure.eventhub._consumer import EventHubConsumer
from azure.eventhub._pyamqp import ReceiveClient
from azure.eventhub._pyamqp import receiver as _receiver_module
from azure.eventhub._pyamqp.constants import CbsAuthState, CbsState
from azure.eventhub._transport._pyamqp_transport import PyamqpTransport

from ingest.config import Config
from ingest.hub import event_hubs
from ingest.hub.auth.contract import EVENT_HUBS
from ingest.hub.auth.held import HELD
from ingest.hub.link_errors import LinkEnded, link_ended
from ingest.hub.network.eventhub_client import RoutedTransport, StreamSocket
from ingest.hub.owner_level import own_level
from ingest.hub.position import StartAt
from ingest.source.events.event import Event
from ingest.source.transport.sdk_message import decode_for_sdk, event_from_sdk

SUPPORTED = "5.15."
PREFETCH = 2_000
PREFETCH_FLOOR = 50
PREFETCH_BYTES = 16 << 20
"""Credit times the mean size of an event stays below this."""
CLOSE_SECONDS = 5.0

if not version("azure-eventhub").startswith(SUPPORTED):
    raise ImportError(f"azure-eventhub {SUPPORTED}x is needed, {version('azure-eventhub')} is installed")
for _owner, _name in (
    (PyamqpTransport, "check_link_stolen"),
    (EventHubConsumer, "_next_message_in_buffer"),
    (ReceiveClient, "_client_run"),
    (ReceiveClient, "auth_complete"),
    (_receiver_module, "decode_payload"),
):
    if not hasattr(_owner, _name):
        raise ImportError(f"azure-eventhub {version('azure-eventhub')} has no {_name}; this transport relies on it")

_pyamqp: Any = _receiver_module
_stock_decode = _pyamqp.decode_payload
_this_thread = threading.local()
"""Has `receives` in a thread that runs one of our links. Other clients in this process keep their own decoder."""


def _decode_payload(payload: memoryview) -> Any:
    return (decode_for_sdk if hasattr(_this_thread, "receives") else _stock_decode)(payload)


_pyamqp.decode_payload = _decode_payload


def _read_what_is_there(client: Any, *, batch: int = 1, **kwargs: Any) -> bool:
    """Replaces the client's round of reading, which lasts until `batch` frames came or 0.2 s passed without one."""
    if client._link.current_link_credit <= 0:
        client._link.flow(link_credit=client._link_credit)
    connection = client._connection
    connection.listen(wait=client._socket_timeout, **kwargs)
    for _ in range(batch - 1):
        if not _readable(connection._transport.sock):
            break
        connection.listen(wait=client._socket_timeout, **kwargs)
    return True


def _auth_complete(client: Any, stock: Callable[[], bool]) -> bool:
    """Runs before every round of reading. Raises LinkEnded when the hub has ended its link for tokens, and that alone: with
    the connection all links end, and the client has the words for it.

    The client would wait for that link to open, for ever: its own check stands behind a return (`_pyamqp/cbs.py`,
    `_cbs_link_ready`). No token is renewed then, and the receive loop reads nothing any more.
    """
    authenticator = client._cbs_authenticator
    if (
        client._connection._error is None
        and authenticator is not None
        and authenticator.state in (CbsState.CLOSED, CbsState.ERROR)
    ):
        raise LinkEnded("lost", "detached", "the hub ended the link for tokens, $cbs")
    if authenticator is not None and authenticator.auth_state is CbsAuthState.OK:
        _renew_identity(authenticator)
    return stock()


def _renew_identity(authenticator: Any) -> None:
    """Has the client tell the hub a new token of an identity as soon as it is held. The client looks at the end of its own
    token alone, which may be half used up when it comes."""
    newest = HELD.newest(EVENT_HUBS) if authenticator._auth.token_type in (b"jwt", "jwt") else None
    if newest is not None and newest.text != authenticator._token:
        authenticator.auth_state = CbsAuthState.REFRESH_REQUIRED


def _readable(socket: StreamSocket | None) -> bool:
    """Whether bytes wait to be read. A socket that the frame just read has closed has none; its error comes next."""
    return socket is not None and socket.fileno() >= 0 and socket.stream.wait(0)


class _LinkParts(RoutedTransport):
    """What the client asks for its AMQP parts; one instance a link."""

    def __init__(self, link: "_Link", config: Config) -> None:
        super().__init__(*event_hubs.way(config))
        self._link = link

    def check_link_stolen(  # type: ignore[override]  # a static method there; the client calls it on the instance
        self, consumer: Any, exception: Exception
    ) -> None:
        """Called by the client with every error of its receive loop, before it decides to say nothing."""
        # Events that are already decoded need not come again over the next link.
        buffered = [consumer._next_message_in_buffer() for _ in range(len(consumer._message_buffer))]
        if buffered:
            self._link.on_batch(None, buffered)
        if consumer._handler is not None and consumer._handler._connection is not None:
            self._link.dead_socket = consumer._handler._connection._transport
        raise exception

    def create_receive_client(self, **kwargs: Any) -> Any:  # type: ignore[override]  # as above
        # The keep-alive thread would read the socket at the same time as the receive loop.
        kwargs["keep_alive_interval"] = 0
        client: Any = super().create_receive_client(on_attach=self._link.on_attach, **kwargs)
        client._client_run = partial(_read_what_is_there, client)
        client.auth_complete = partial(_auth_complete, client, client.auth_complete)
        self._link.receive_client = client
        return client


class _Link:
    """One run of `receive_batch` on its own thread, which ends with the link. Hands over one batch at a time."""

    def __init__(self, config: Config, partition: str, start: StartAt, owner_level: int | None, credit: int) -> None:
        self.attached = False
        self.newest: int | None = None
        self.receive_client: Any = None
        self.dead_socket: Any = None
        """The client's socket after an error. Closing the session over it fails, and then the client leaves it open."""
        self._batch: list[Event] | None = None
        self._ended: LinkEnded | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._client: EventHubConsumerClient = event_hubs.client(
            config,
            amqp_transport=_LinkParts(self, config),
            # Its only use is to end the client's housekeeping thread soon after `close`.
            load_balancing_interval=1.0,
        )
        # Before each link the client asks for all partitions, over another connection; this process has one.
        self._client.get_partition_ids = lambda: [partition]  # type: ignore[method-assign]
        self._arguments: dict[str, Any] = {
            "on_event_batch": self.on_batch,
            "on_error": self._on_error,
            "partition_id": partition,
            "max_batch_size": credit,
            "prefetch": credit,
            "owner_level": owner_level,
            "starting_position": start.position,
            "starting_position_inclusive": start.inclusive,
            "track_last_enqueued_event_properties": True,
        }
        self._thread = threading.Thread(target=self._run, name=f"receive-{partition}", daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads are allowed: counts as a failed try
            self._end(error)

    def take(self, timeout: float) -> list[Event]:
        """Returns the next batch, [] if none came in time. Raises LinkEnded once everything received was taken."""
        with self._changed:
            if self._batch is None and self._ended is None:
                self._changed.wait(timeout)
            if self._batch is not None:
                batch, self._batch = self._batch, None
                self._changed.notify_all()
                return batch
            if self._ended is not None:
                raise self._ended
        return []

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._batch = None
            self._changed.notify_all()
        self._client.close()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        if self.dead_socket is not None:
            with contextlib.suppress(OSError):
                self.dead_socket.close()

    def on_attach(self, _: object) -> None:
        self.attached = True

    def on_batch(self, context: PartitionContext | None, batch: list[EventData]) -> None:
        """Runs on the client's thread, which reads nothing more until the previous batch was taken."""
        events = [event_from_sdk(data) for data in batch]
        tracked = context.last_enqueued_event_properties if context is not None else None
        with self._changed:
            while self._batch is not None and not self._closing:
                self._changed.wait(1.0)
            if not self._closing:
                if tracked:
                    self.newest = tracked.get("sequence_number", self.newest)
                self._batch = events
                self._changed.notify_all()

    def _on_error(self, _: PartitionContext | None, error: Exception) -> None:
        self._end(error)
        # Otherwise the client would open another link at its next tick, at a position of its own choice.
        self._client.close()

    def _run(self) -> None:
        _this_thread.receives = True
        try:
            self._client.receive_batch(**self._arguments)
            self._end(LinkEnded("lost", "other", "the client stopped receiving"))
        except BaseException as error:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._ended = self._ended or link_ended(error)
            self._changed.notify_all()


class SdkTransport:
    """Implements `contract.Transport`."""

    name = "sdk"
    gathers = False
    more = False

    def __init__(self, config: Config, partition: str, *, owned: bool = True) -> None:
        self._most = config.source.prefetch or PREFETCH
        self.credit = self._most
        self._config = config
        self._partition = partition
        self._owner = own_level(config) if owned else None
        self._mean_bytes = 0.0
        self._link: _Link | None = None

    @property
    def attached(self) -> bool:
        return self._link is not None and self._link.attached

    @property
    def newest(self) -> int | None:
        return self._link.newest if self._link is not None else None

    def open(self, start: StartAt) -> None:
        level = self._owner.value if self._owner is not None else None
        self._link = _Link(self._config, self._partition, start, level, self.credit)
        self._link.start()

    def poll(self, timeout: float) -> Sequence[Event]:
        if self._link is None:
            return ()
        try:
            events = self._link.take(timeout)
        except LinkEnded as ended:
            if self._owner is not None:
                self._owner.refused(str(ended))
            raise
        if self._owner is not None and self._link.attached:
            self._owner.granted()
        if events:
            self._tune(events)
        return events

    def gather(self, seconds: float) -> None:
        if self._link is not None:
            time.sleep(seconds)  # the client's own thread reads meanwhile

    def tend(self) -> None:
        """Does nothing: the client's own thread keeps the link alive."""

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _tune(self, events: Sequence[Event]) -> None:
        """Keeps what can be on its way to us within the memory cap, whatever the size of events."""
        mean = sum(len(event.body) for event in events) / len(events)
        self._mean_bytes = mean if not self._mean_bytes else 0.9 * self._mean_bytes + 0.1 * mean
        self.credit = int(min(self._most, max(PREFETCH_FLOOR, PREFETCH_BYTES / (self._mean_bytes + 1_024))))
        if self._link is not None and self._link.receive_client is not None:
            self._link.receive_client._link_credit = self.credit
