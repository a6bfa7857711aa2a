"""The record that keeps a partition's position in Kafka, the last one of each transaction. Pure.

Whoever reads `source.position_topic` relies on this form: key `<namespace>/<event hub>/<consumer group>/<partition>` in lower
case, as Azure ignores the case of these names; value a JSON object. A record without a value is a position that was reset.
"""

import json
from dataclasses import dataclass
from typing import Any

from ingest.source.checkpoints.store import Checkpoint, Damaged, Scope, reset_command

ID_PREFIX = "ingest/"
"""With which every transactional id begins: what rights are given for."""


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """Everything up to this event is in Kafka, exactly once."""

    offset: str | None
    """The hub's own text."""
    sequence_number: int
    hub_created_ms: int | None = None
    """As in `Checkpoint`."""

    def encoded(self) -> bytes:
        """Returns the record's value."""
        fields: dict[str, str | int | None] = {"offset": self.offset, "sequenceNumber": self.sequence_number}
        if self.hub_created_ms is not None:
            fields["hubCreatedMs"] = self.hub_created_ms
        return json.dumps(fields, separators=(",", ":")).encode()

    def checkpoint(self, partition: str) -> Checkpoint:
        return Checkpoint(partition, self.offset, self.sequence_number, hub_created_ms=self.hub_created_ms)


def key_of(scope: Scope, partition: str) -> bytes:
    """Returns the key of a partition's record."""
    return f"{scope.namespace}/{scope.event_hub}/{scope.consumer_group}/{partition}".lower().encode()


def transactional_id(scope: Scope, partition: str) -> str:
    """Returns the name of a partition's transactions, the same on every node and in every life of its process: so Kafka ends
    what an earlier process has left open, and takes no more from it."""
    return ID_PREFIX + key_of(scope, partition).decode()


def decoded(value: bytes, partition: str, place: str) -> PositionRecord:
    """Returns the record with this value, read from `place`. Raises Damaged, with what to do, if it is another form."""
    try:
        fields: Any = json.loads(value)
        offset, number = fields["offset"], fields["sequenceNumber"]
        created = fields.get("hubCreatedMs")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        offset = number = created = ""
    well = isinstance(offset, str | None) and _is_number(number) and (created is None or _is_number(created))
    if not well:
        raise Damaged(
            partition, f"{place} is no position of ingest: repair it, or begin anew: {reset_command(partition)}"
        )
    return PositionRecord(offset, number, created)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
