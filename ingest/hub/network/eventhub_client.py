"""azure-eventhub's client over a stream of ours, where it would dial by itself.

The client takes an object with the parts that it is made of (`amqp_transport`). Each AMQP client made by ours opens its
connection on the route of the configuration, so names, proxies, TLS and WebSocket are bounded, and their faults have words.
Private seams: checked at import against one minor version.
"""

import ssl
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from azure.eventhub._pyamqp import AMQPClient, ReceiveClient
from azure.eventhub._pyamqp._connection import Connection
from azure.eventhub._pyamqp.sasl import SASLTransport
from azure.eventhub._transport._pyamqp_transport import PyamqpTransport

from ingest.hub.network.contract import CONNECT_SECONDS, Stream
from ingest.hub.network.dialing import dial
from ingest.hub.network.route import Route
from ingest.timing import Deadline

SUPPORTED = "5.15."
ANSWER_SECONDS = CONNECT_SECONDS
"""For each read of the client that would block for ever."""

if not version("azure-eventhub").startswith(SUPPORTED):
    raise ImportError(f"azure-eventhub {SUPPORTED}x is needed, {version('azure-eventhub')} is installed")
for _owner, _name in (
    (PyamqpTransport, "create_receive_client"),
    (PyamqpTransport, "create_mgmt_client"),
    (AMQPClient, "open"),
    (SASLTransport, "connect"),
    (SASLTransport, "_shutdown_transport"),
):
    if not hasattr(_owner, _name):
        raise ImportError(
            f"azure-eventhub {version('azure-eventhub')} has no {_name}; connections to the hub rely on it"
        )


class StreamSocket:
    """A stream in the clothes of the socket that the client reads and writes."""

    def __init__(self, stream: Stream, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self._clock = clock
        self._timeout: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def fileno(self) -> int:
        return self.stream.fileno()

    def recv(self, most: int) -> bytes:
        # One for all reads: what they find can be pings of WebSocket, without end.
        deadline = Deadline(ANSWER_SECONDS if self._timeout is None else self._timeout, clock=self._clock)
        while (data := self.stream.read(most)) is None:
            if deadline.expired or not self.stream.wait(deadline.remaining()):
                # As a socket's own: without a time-out of the client's, it is an end and no pause.
                raise (
                    TimeoutError("timed out")
                    if self._timeout is not None
                    else ConnectionAbortedError(f"no answer within {ANSWER_SECONDS:g} s")
                )
        return data

    def recv_into(self, buffer: memoryview) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes) -> int:
        self.stream.write(data)
        return len(data)

    def shutdown(self, _: int) -> None:
        self.stream.terminate()

    def close(self) -> None:
        self.stream.close()


class _Transport(SASLTransport):
    """The client's own framing and SASL, over what `open_stream` gives."""

    def __init__(self, open_stream: Callable[[], Stream], host: str, credential: Any, socket_timeout: float) -> None:
        make: Any = super().__init__
        make(host, credential, socket_timeout=socket_timeout)
        self._open_stream = open_stream

    def connect(self) -> None:
        if not self.connected:
            connected = StreamSocket(self._open_stream())
            connected.settimeout(self.socket_timeout)
            self.sock: Any = connected
            self.connected = True

    def _shutdown_transport(self) -> None:
        """The client calls it before it cuts the socket, when there is nothing left to say good-bye with."""
        if self.sock is not None:
            self.sock.close()


class RoutedTransport(PyamqpTransport):
    """To be given to a client as `amqp_transport`: the client calls it on what it was given, so its methods need not be
    static ones."""

    def __init__(self, route: Route, context: Callable[[], ssl.SSLContext]) -> None:
        """`context` says whom to trust where there is TLS."""
        self._route = route
        self._open_stream = partial(dial, route, context)

    def create_receive_client(self, **options: Any) -> ReceiveClient:  # type: ignore[override]
        return self._routed(PyamqpTransport.create_receive_client(**options))  # type: ignore[no-any-return]

    def create_mgmt_client(self, *arguments: Any, **options: Any) -> AMQPClient:  # type: ignore[override]
        make: Any = PyamqpTransport.create_mgmt_client
        return self._routed(make(*arguments, **options))  # type: ignore[no-any-return]

    def _routed(self, client: Any) -> Any:
        stock_open = client.open

        def open_client(connection: Any = None) -> None:
            if connection is None and client._connection is None:
                client._connection = self._connection(client)
                client._connection.open()
            stock_open(connection)

        client.open = open_client
        return client

    def _connection(self, client: Any) -> Connection:
        """As the client makes it, but for the transport."""
        transport = _Transport(self._open_stream, self._route.host, client._auth.sasl, client._socket_timeout or 0.2)
        return Connection(
            f"amqp{'s' if client._use_tls else ''}://{client._hostname}",
            transport=transport,
            container_id=client._name,
            max_frame_size=client._max_frame_size,
            channel_max=client._channel_max,
            idle_timeout=client._idle_timeout,
            properties=client._properties,
            network_trace=client._network_trace,
            socket_timeout=client._socket_timeout,
            use_tls=client._use_tls,
        )
