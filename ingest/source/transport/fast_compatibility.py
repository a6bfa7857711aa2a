"""Checks that this azure-eventhub still has the private parts that `ingest.source.transport.fast` uses."""

from importlib.metadata import version
from typing import Any

from azure.eventhub import EventHubConsumerClient
from azure.eventhub._consumer import EventHubConsumer
from azure.eventhub._pyamqp import _decode, _transport
from azure.eventhub._pyamqp._connection import Connection
from azure.eventhub._pyamqp.client import ReceiveClient

SUPPORTED = "5.15."


def check() -> None:
    """Raises ImportError with what is missing."""
    found = version("azure-eventhub")
    if not found.startswith(SUPPORTED):
        raise ImportError(f"azure-eventhub {SUPPORTED}x is needed, {found} is installed")
    # No I/O: nothing is opened.
    connection: Any = Connection("amqps://nowhere.invalid", transport=object())
    session: Any = connection.create_session(incoming_window=1)
    link: Any = session.create_receiver_link(source_address="nothing", on_transfer=None)
    pyamqp: Any = _transport
    transport: Any = pyamqp.SSLTransport("nowhere.invalid")
    for owner, names in (
        (EventHubConsumerClient, ("_create_consumer",)),
        (EventHubConsumer, ("_open",)),
        (ReceiveClient, ("client_ready", "auth_complete")),
        (_decode, ("decode_frame", "decode_empty_frame")),
        (transport, ("receive_frame", "_read_buffer", "sock")),
        (connection, ("_process_incoming_frame", "_last_frame_received_time", "_error", "_max_frame_size", "listen")),
        (
            session,
            ("next_incoming_id", "incoming_window", "target_incoming_window", "remote_outgoing_window"),
        ),
        (link, ("flow", "get_state", "delivery_count", "current_link_credit", "remote_handle")),
    ):
        for name in names:
            if not hasattr(owner, name):
                raise ImportError(f"azure-eventhub {found} has no {name}; the fast transport relies on it")
