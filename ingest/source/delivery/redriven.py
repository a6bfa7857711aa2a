"""The dead letter of an event → its record for `source.topic`, in the format of the configuration."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ingest.config import Config
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import HEADER_PREFIX
from ingest.kafka.dead_letters.restore import Again, Letter, first, is_omitted
from ingest.kafka.header_names import Header
from ingest.source.delivery.schema import schema_id
from ingest.source.events.event import Event, carried
from ingest.source.formats.restore import event_of_letter, has_event
from ingest.source.hot_path import encoder_of
from ingest.source.receiving.refetch import fetch

Fetch = Callable[[Config, str, int, int | None], Event]


class RestoredEvents:
    """Callable: restores one dead letter after another."""

    def __init__(self, config: Config, consumer_group: str | None = None, *, fetch: Fetch = fetch) -> None:
        """`consumer_group`: the group to read events again with; None: the configured one."""
        group = consumer_group or config.source.consumer_group
        self._config = replace(config, source=replace(config.source, consumer_group=group))
        self._fetch = fetch
        self._schema_id: int | None = None

    def __call__(self, letter: Letter) -> Again:
        """Raises Undeliverable with the reason bad_letter, other_hub or gone, Refused or Unreachable."""
        partition = first(letter.headers, f"{HEADER_PREFIX}partition")
        if partition is None:
            raise Undeliverable("bad_letter", f"it has no header {HEADER_PREFIX}partition: ingest has not written it")
        if is_omitted(letter.headers) or not has_event(letter.headers):
            event = self._from_hub(partition, letter.headers)
        else:
            event = event_of_letter(letter.headers, letter.value)
        key, value, headers, timestamp_ms = self._encode(partition, carried(event))
        return Again(self._config.source.topic, key, value, list(headers or ()), timestamp_ms)

    def _encode(self, partition: str, event: Event) -> tuple[bytes | None, bytes, Sequence[Header] | None, int]:
        source = self._config.source
        if self._schema_id is None:
            self._schema_id = schema_id(self._config)
        encoder = encoder_of(source.format, partition, has_keys=source.has_keys, schema_id=self._schema_id)
        return encoder.encode(event)

    def _from_hub(self, partition: str, headers: Sequence[Header]) -> Event:
        hub, wrote = self._config.hub.event_hub, first(headers, f"{HEADER_PREFIX}event-hub")
        if hub is not None and wrote is not None and wrote != hub.event_hub:
            raise Undeliverable(
                "other_hub", f"it leaves its event in the hub {wrote}, and the configuration names {hub.event_hub}"
            )
        sequence = _number(headers, "sequence-number")
        if sequence is None:
            raise Undeliverable("bad_letter", f"its header {HEADER_PREFIX}sequence-number is no number")
        return self._fetch(self._config, partition, sequence, _number(headers, "enqueued-ms"))


def _number(headers: Sequence[Header], name: str) -> int | None:
    try:
        return int(first(headers, HEADER_PREFIX + name) or "")
    except ValueError:
        return None
