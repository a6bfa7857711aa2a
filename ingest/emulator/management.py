"""$management: READ of the event hub and of its partitions (the operation behind `get_partition_properties`)."""

from typing import TYPE_CHECKING

from ingest.amqp.message import Message
from ingest.amqp.types import Array, Timestamp
from ingest.emulator.request_links import response
from ingest.emulator.sas import BadToken

if TYPE_CHECKING:
    from ingest.emulator.connection import Connection
    from ingest.emulator.hub import Hub

NODE = "$management"
_HUB = "com.microsoft:eventhub"
_PARTITION = "com.microsoft:partition"


def answer(connection: "Connection", request: Message) -> Message:
    """200 with a map, or 400, 401, 404 with the reason."""
    hub = connection.server.hub
    asked = request.application_properties or {}
    kind, name = asked.get("type"), asked.get("name")
    if asked.get("operation") != "READ" or kind not in (_HUB, _PARTITION):
        return response(400, f"BadRequest: only READ of {_HUB} and {_PARTITION} is understood here.")
    token = asked.get("security_token")
    if token is not None:
        try:
            connection.authorization.check_token(str(token))
        except BadToken as error:
            return response(401, str(error))
    if not isinstance(name, str) or name.lower() != hub.name.lower():
        return response(404, f"The messaging entity '{name}' could not be found.")
    refusal = connection.authorization.refusal(f"{name.lower()}/{NODE}")
    if refusal is not None:
        return response(401, refusal)
    if kind == _HUB:
        return response(200, "OK", _hub(hub))
    partition = str(asked.get("partition"))
    if partition not in hub.partitions:
        return response(404, f"The messaging entity '{name}' has no partition '{partition}'.")
    return response(200, "OK", _partition(hub, partition))


def _hub(hub: "Hub") -> dict[str, object]:
    return {
        "name": hub.name,
        "type": _HUB,
        "created_at": Timestamp(hub.created_ms),
        "partition_count": len(hub.partitions),
        "partition_ids": Array(hub.partitions),
    }


def _partition(hub: "Hub", partition: str) -> dict[str, object]:
    begin, last = hub.bounds(partition)
    return {
        "name": hub.name,
        "type": _PARTITION,
        "partition": partition,
        "begin_sequence_number": begin,
        "last_enqueued_sequence_number": last.sequence_number,
        "last_enqueued_offset": str(last.offset),
        "last_enqueued_time_utc": Timestamp(last.time_ms),
        "is_partition_empty": last.sequence_number < begin,
    }
