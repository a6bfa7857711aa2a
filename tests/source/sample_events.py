"""Events for tests, made from what matters to the test."""

from collections.abc import Mapping
from typing import Any

from ingest.source.events.event import HUB_TIME, Event, Labels, Origin


def make_event(
    sequence: int,
    *,
    offset: str | None = None,
    enqueued_ms: int | None = None,
    body: bytes = b"{}",
    body_kind: str = "data",
    device_id: str | None = None,
    module_id: str | None = None,
    message_id: str | None = None,
    correlation_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    system_properties: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> Event:
    """`system_properties`: what came as annotations, in order; the hub's time may be among them."""
    system = dict(system_properties or {})
    hub_ms = system.get(HUB_TIME)
    names = list(system)
    place = names.index(HUB_TIME) if HUB_TIME in names else 0
    before = {name: system[name] for name in names[:place]}
    after = {name: system[name] for name in names[place:] if name != HUB_TIME}
    return Event(
        sequence,
        str(sequence * 10) if offset is None else offset,
        1_700_000_000_000 + sequence if enqueued_ms is None else enqueued_ms,
        body,
        hub_ms,
        message_id,
        Origin(device_id, module_id, before, after),
        Labels(correlation_id, content_type, content_encoding, None, properties, body_kind),
    )
