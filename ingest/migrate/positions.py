"""The old connector's saved positions, from the keys and values in Connect's offset store. Pure.

A key is JSON `["CONNECTOR", {"EventHubName": …, "EventHubPartition": "0"}]`, a value `{"EventHubOffset": "…"}`; a worker whose
internal converters have schemas.enable=true wraps both in `{"schema": …, "payload": …}`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.config.values import BadValue, partition_id
from ingest.hub.partition_ids import in_order
from ingest.hub.position import EARLIEST
from ingest.migrate.java_values import trimmed
from ingest.source.checkpoints.foreign import offset_in


class Entry(NamedTuple):
    """One entry of the offset store as it is; None if missing."""

    key: bytes | None
    value: bytes | None


class Owner(NamedTuple):
    """The connector and event hub that positions belong to."""

    connector: str
    event_hub: str


@dataclass(frozen=True, slots=True)
class Positions:
    """What an offset store holds for one connector and event hub, and for others."""

    offsets: Mapping[str, str]
    """Partition → offset of the last event that was written to Kafka; `-1` for the place before the first event."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Partition → why its position cannot be taken over, a clause."""
    others: tuple[Owner, ...] = ()
    """Other owners with positions of this connector's kind there, sorted by name."""


def positions(entries: Iterable[Entry], owner: Owner, *, wrapped: bool = False) -> Positions:
    """Returns the positions of `owner`. A key's last entry counts; without a value or offset it means no position.

    `wrapped`: how the worker writes keys now. If both forms of a key exist, the other one is older.
    """
    latest: dict[tuple[Owner, str], dict[bool, bytes | None]] = {}
    for key, value in entries:
        found = _key(key)
        if found is not None:
            whose, partition, is_wrapped = found
            latest.setdefault((whose, partition), {})[is_wrapped] = value
    offsets: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    others: set[Owner] = set()
    for (whose, partition), forms in latest.items():
        value = forms[wrapped] if wrapped in forms else forms[not wrapped]
        try:
            offset = _offset(value)
            if offset is None:
                continue
            if whose == owner:
                partition_id(partition)
        except BadValue as bad:
            if whose == owner:
                unreadable[partition] = str(bad)
            continue
        if whose == owner:
            offsets[partition] = offset
        else:
            others.add(whose)
    return Positions(_ordered(offsets), _ordered(unreadable), tuple(sorted(others)))


def _ordered(by_partition: Mapping[str, str]) -> dict[str, str]:
    return {partition: by_partition[partition] for partition in in_order(by_partition)}


def _key(key: bytes | None) -> tuple[Owner, str, bool] | None:
    """Returns (owner, partition, whether it is wrapped); None for another kind of connector."""
    document = _json(key)
    inner = _payload(document)
    match inner:
        case [str(connector), {"EventHubName": str(hub), "EventHubPartition": str(partition), **rest}] if not rest:
            return Owner(connector, hub), partition, inner is not document
    return None


def _offset(value: bytes | None) -> str | None:
    """Returns the offset; None for no position. Raises BadValue."""
    if value is None or value.strip() == b"null":
        return None
    document = _json(value)
    match _payload(document):
        case None if document is not None:
            return None
        case {"EventHubOffset": str(offset)}:
            return partition_offset(trimmed(offset)) or None
    raise BadValue(f"{value[:100]!r} holds no EventHubOffset")


def partition_offset(text: str) -> str:
    """Returns an event hub's offset, `-1` for before the first event, or an empty text for none. Raises BadValue."""
    if text not in ("", EARLIEST) and offset_in(text) != text:
        raise BadValue(f"{text[:100]!r} is no offset of an event hub")
    return text


def _payload(document: Any) -> Any:
    if isinstance(document, dict) and document.keys() == {"schema", "payload"}:
        return document["payload"]
    return document


def _json(content: bytes | None) -> Any:
    """Returns the value; None for what is not JSON."""
    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
