"""$management: READ of the event hub and of its partitions (the operation behind `get_partition_properties`)."""

from ingest.amqp.message import Message
from ingest.amqp.types import Array, Int, Timestamp
from ingest.emulator.amqp.ports import Peer
from ingest.emulator.amqp.request_links import response
from ingest.emulator.amqp.sas import BadToken
from ingest.emulator.telemetry.hub import Hub

NODE = "$management"
_HUB = "com.microsoft:eventhub"
_PARTITION = "com.microsoft:partition"
_NO_EPOCH = -1
"""Of a hub without replication between regions; the Rust client requires the field."""


def answer(peer: Peer, request: Message, hub: Hub) -> Message:
    """Returns 200 with a map, or 400, 401, 404 with the reason."""
    asked = request.application_properties or {}
    kind, name = asked.get("type"), asked.get("name")
    if asked.get("operation") != "READ" or kind not in (_HUB, _PARTITION):
        return response(400, f"BadRequest: only READ of {_HUB} and {_PARTITION} is understood here.")
    if not isinstance(name, str) or name.lower() != hub.name.lower():
        return response(404, f"The messaging entity '{name}' could not be found.")
    refusal = _refusal(peer, f"{name}/{NODE}".lower(), asked.get("security_token"))
    if refusal is not None:
        return response(401, refusal)
    if kind == _HUB:
        return response(200, "OK", _hub(hub))
    partition = str(asked.get("partition"))
    if partition not in hub.partitions:
        return response(404, f"The messaging entity '{name}' has no partition '{partition}'.")
    return response(200, "OK", _partition(hub, partition))


def _refusal(peer: Peer, path: str, token: object) -> str | None:
    """Returns why the request is refused, or None. Its own token decides; without one, the connection's from $cbs."""
    if token is None:
        return peer.authorization.refusal(path)
    try:
        peer.authorization.check_token(str(token), path)
    except BadToken as error:
        return str(error)
    return None


def _hub(hub: Hub) -> dict[str, object]:
    return {
        "name": hub.name,
        "type": _HUB,
        "created_at": Timestamp(hub.created_ms),
        "partition_count": len(hub.partitions),
        "partition_ids": Array(hub.partitions),
        "georeplication_factor": Int(1),
    }


def _partition(hub: Hub, partition: str) -> dict[str, object]:
    begin, last = hub.bounds(partition)
    return {
        "name": hub.name,
        "type": _PARTITION,
        "partition": partition,
        "begin_sequence_number": begin,
        "begin_sequence_number_epoch": Int(_NO_EPOCH),
        "last_enqueued_sequence_number": last.sequence_number,
        "last_enqueued_sequence_number_epoch": Int(_NO_EPOCH),
        "last_enqueued_offset": str(last.offset),
        "last_enqueued_time_utc": Timestamp(last.time_ms),
        "is_partition_empty": last.sequence_number < begin,
    }
