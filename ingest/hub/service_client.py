"""uamqp's clients with ears for every legal word of the hub, and with eyes for a link that is none any more.

uamqp decodes what the hub says inside callbacks of its C library. What they raise there is lost: for an error whose text
is not UTF-8, or which is none of its lists, the link is then gone and everything says that it is up. Nor does it look at
its session and connection: an `end`, or a peer that is silent, leaves a client that waits for ever. So the callbacks that
read an error are ours and raise nothing, and `ensure_up` looks at all three. Imported where a link is opened: uamqp is heavy.
"""

from pathlib import Path
from typing import Any

import uamqp
from uamqp import constants
from uamqp.connection import Connection
from uamqp.receiver import MessageReceiver
from uamqp.sender import MessageSender

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth.for_uamqp import token_auth
from ingest.hub.network.route import Route
from ingest.hub.service_errors import HubError, hub_error


class _Connection(Connection):  # type: ignore[misc]  # uamqp has no types
    def _close_received(self, error: Any) -> None:
        self._error = hub_error(error) or HubError("", "the hub closed the connection without a reason")


class _Sender(MessageSender):  # type: ignore[misc]
    def _detach_received(self, error: Any) -> None:
        self._error = hub_error(error) or HubError("", "the hub detached the link without a reason")


class _Receiver(MessageReceiver):  # type: ignore[misc]
    def _detach_received(self, error: Any) -> None:
        self._error = hub_error(error) or HubError("", "the hub detached the link without a reason")


class _Watched:
    """What both kinds of clients have besides uamqp's."""

    def ensure_up(self) -> None:
        """Once the client was ready: raises what the hub said at the end of connection or link, a HubError where it said
        nothing; does nothing while both are up."""
        client: Any = self
        connection, handler = client._connection, client.message_handler
        if connection._error is not None:
            raise connection._error
        state = handler.get_state().name  # raises what came with a detach
        if connection._state.name == "DISCARDING":
            raise HubError("", f"no frame from the hub for {client._idle_timeout / 1000:g} s")
        if connection._state.name != "OPENED":
            raise HubError("", "the connection ended without a word from the hub")
        if state != "Open":
            raise HubError("", "the hub ended the session without a word")


class CommandClient(_Watched, uamqp.SendClient):  # type: ignore[misc]
    """A link to `/messages/devicebound` without retries.

    `on_send_complete(result, problem)` of a message gets what the hub has told as a HubError, and None where it has told
    nothing: it released the message, the link has ended, or uamqp could not send.
    """

    def __init__(self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float) -> None:
        super().__init__(
            f"amqps://{hub.host}/messages/devicebound", auth=token_auth(hub, ca_file, route), **_options(idle_seconds)
        )
        self.connection_type = _Connection
        self.sender_type = _Sender

    def _client_run(self) -> bool:
        try:
            return bool(super()._client_run())
        except uamqp.errors.ConnectionClose:
            self.ensure_up()  # knows better words for a connection that uamqp has given up
            raise

    def _on_message_sent(self, message: Any, result: Any, delivery_state: Any = None) -> None:
        sent = constants.MessageSendResult(result)
        done = sent is constants.MessageSendResult.Ok
        message.state = constants.MessageState.SendComplete if done else constants.MessageState.SendFailed
        message.on_send_complete(sent, None if done else hub_error(delivery_state))


class FeedbackClient(_Watched, uamqp.ReceiveClient):  # type: ignore[misc]
    """A link from `/messages/serviceBound/feedback` without retries; its messages are accepted one by one."""

    def __init__(
        self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, prefetch: int, idle_seconds: float
    ) -> None:
        super().__init__(
            f"amqps://{hub.host}/messages/serviceBound/feedback",
            auth=token_auth(hub, ca_file, route),
            auto_complete=False,
            prefetch=prefetch,
            **_options(idle_seconds),
        )
        self.connection_type = _Connection
        self.receiver_type = _Receiver


def _options(idle_seconds: float) -> dict[str, Any]:
    """`idle_seconds` is told to the hub, which sends an empty frame when it has nothing else for half as long; without any
    frame for so long uamqp closes the connection."""
    return {
        "error_policy": uamqp.errors.ErrorPolicy(max_retries=0),
        "keep_alive_interval": 0,
        "idle_timeout": round(idle_seconds * 1000),
    }
