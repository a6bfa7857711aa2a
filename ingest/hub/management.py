"""Requests to the hub's management node that tell why they failed, and can be given up.

When the hub refuses the management link (an unknown hub, say), azure-eventhub gives up at the attach and never reads the
detach behind it, which has the reason. Of a hub that takes the connection and says nothing it waits for ever. Private
seams, pinned and checked at import as in `ingest.source.transport.sdk`.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from azure.eventhub._pyamqp import AMQPClient
from azure.eventhub._pyamqp.error import AMQPException, AMQPLinkError
from azure.eventhub._transport._pyamqp_transport import PyamqpTransport

from ingest.hub.network.eventhub_client import RoutedTransport
from ingest.hub.network.route import Route
from ingest.timing import Deadline

_REASON_SECONDS = 2.0
"""The reason is in the frame after the refusal, as a rule in the same packet."""

for _owner, _name in (
    (PyamqpTransport, "mgmt_client_request"),
    (AMQPClient, "client_ready"),
):
    if not hasattr(_owner, _name):
        raise ImportError(f"this azure-eventhub has no {_name}; requests to the hub rely on it")


class OutspokenTransport(RoutedTransport):
    """To be given to a client as `amqp_transport`; one instance a client. `give_up` may be called from any thread."""

    def __init__(self, route: Route, context: Callable[[], ssl.SSLContext]) -> None:
        super().__init__(route, context)
        self._given_up = False
        self._client: Any = None

    def create_mgmt_client(self, *arguments: Any, **options: Any) -> AMQPClient:  # type: ignore[override]
        client: Any = super().create_mgmt_client(*arguments, **options)
        ready, close = client.client_ready, client.close

        def client_ready() -> bool:
            if self._given_up:
                raise TimeoutError("given up")
            return bool(ready())

        def close_all() -> None:
            # The client closes its session first, which fails over a dead socket, and then leaves that open.
            transport = getattr(client._connection, "_transport", None)
            try:
                close()
            finally:
                if transport is not None:
                    with contextlib.suppress(OSError):
                        transport.close()

        client.client_ready, client.close = client_ready, close_all
        self._client = client
        return client  # type: ignore[no-any-return]

    @staticmethod
    def mgmt_client_request(mgmt_client: AMQPClient, *arguments: Any, **options: Any) -> Any:
        try:
            return PyamqpTransport.mgmt_client_request(mgmt_client, *arguments, **options)
        except AMQPException as wordless:
            raise _reason(mgmt_client) or wordless from None

    def give_up(self) -> None:
        """Lets the request that is under way fail soon: at its next look, or when its socket has no more to say."""
        self._given_up = True
        connection = getattr(self._client, "_connection", None)
        sock = getattr(getattr(connection, "_transport", None), "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _reason(client: Any) -> AMQPLinkError | None:
    """What the hub said when it detached the management link; None when it says nothing."""
    deadline = Deadline(_REASON_SECONDS)
    while not deadline.expired:
        for operation in client._mgmt_links.values():
            for link in (operation._mgmt_link._request_link, operation._mgmt_link._response_link):
                if isinstance(link._error, AMQPLinkError):
                    return link._error
        try:
            client._connection.listen(wait=0.1)
        except (AMQPException, ValueError, OSError):
            return None
    return None
