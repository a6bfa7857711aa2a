"""Whether everything that the source needs answers: what `ingest check-config --connect` shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.config import Config
from ingest.errors import IngestError
from ingest.hub import event_hubs
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.preflight import check_topics


@dataclass(frozen=True, slots=True)
class ProbeResult:
    name: str
    ok: bool
    detail: str
    """What was found, or the error with its fix."""


def probe_connections(config: Config) -> Iterator[ProbeResult]:
    """Tries hub, checkpoint store and Kafka one after another; each within about 20 s."""
    yield _tried("hub", lambda: f"partitions {', '.join(event_hubs.partition_ids(config))}")
    yield _tried("checkpoints", lambda: _checkpoints(config))
    yield _tried("kafka", lambda: _topics(config))


def _tried(name: str, attempt: Callable[[], str]) -> ProbeResult:
    try:
        return ProbeResult(name, True, attempt())
    except IngestError as error:
        return ProbeResult(name, False, str(error))


def _checkpoints(config: Config) -> str:
    store = open_store(config.checkpoints, scope(config))
    try:
        store.check()
        return f"writable, {len(store.load_all())} partitions have one"
    finally:
        store.close()


def _topics(config: Config) -> str:
    topics = check_topics(config)
    limit = "unknown" if topics.max_record_bytes is None else f"{topics.max_record_bytes} bytes"
    return f"{config.source.topic} and {config.source.dead_letter_topic} exist; largest record: {limit}"
