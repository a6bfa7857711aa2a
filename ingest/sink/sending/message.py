"""A command → its message in AMQP. Pure."""

from typing import Final

from ingest.amqp.encoding import NULL, encode, encode_list
from ingest.amqp.message import APPLICATION_PROPERTIES, DATA, Properties, section
from ingest.amqp.types import Symbol, Timestamp
from ingest.sink.commands.command import Command

_NO_MORE: Final = (NULL,) * 4
"""creation-time, group-id, group-sequence and reply-to-group-id."""


def encoded(command: Command) -> bytes:
    """Returns what `ingest.amqp.message.Message` would, in a third of the time. Raises AmqpError."""
    properties = (
        encode(command.message_id),
        NULL,
        encode(command.to),
        NULL,
        NULL,
        NULL if command.correlation_id is None else encode(command.correlation_id),
        NULL if command.content_type is None else encode(Symbol(command.content_type)),
        NULL if command.content_encoding is None else encode(Symbol(command.content_encoding)),
        NULL if command.expiry_ms is None else encode(Timestamp(command.expiry_ms)),
        *_NO_MORE,
    )
    head = section(Properties.CODE, encode_list(properties))
    if command.properties or command.ack != "none":
        application = dict(command.properties)
        if command.ack != "none":
            application["iothub-ack"] = command.ack
        head += section(APPLICATION_PROPERTIES, encode(application))
    return head + section(DATA, encode(command.body))
