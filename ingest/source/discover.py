"""One-shot child: asks hub, checkpoint store and Kafka what all partition processes need, until all have answered."""

import logging
from collections.abc import Callable
from typing import TypeVar

from ingest.backoff import Backoff
from ingest.child import Child
from ingest.config import Config
from ingest.errors import Refused, Unreachable
from ingest.source import hub
from ingest.source.checkpoints import open_store
from ingest.source.readiness import look_at_topics

T = TypeVar("T")
logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """Hands up `{"partitions": [id, …], "topics": Topics}`.

    Raises Refused for a wrong key, an unknown hub or partition, a store that may not be written, or a missing topic.
    """
    config = child.task.config
    partitions = insist(child, "asking the hub for its partitions", lambda: _partitions(config))
    insist(child, "connecting to the checkpoint store", lambda: _check_store(config))
    topics = insist(child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: look_at_topics(config))
    if not child.stopping:
        child.result({"partitions": partitions, "topics": topics})


def _partitions(config: Config) -> list[str]:
    found = hub.partition_ids(config)
    unknown = [wanted for wanted in config.source.partitions if wanted not in found]
    if unknown:
        raise Refused(
            f"source.partitions names {', '.join(unknown)}, and the hub has {', '.join(found)} only; correct the list"
        )
    return list(config.source.partitions) or found


def _check_store(config: Config) -> None:
    store = open_store(config.checkpoints, hub.scope(config))
    try:
        store.check()
    finally:
        store.close()


def insist(child: Child, doing: str, attempt: Callable[[], T]) -> T | None:
    """Tries until it is not Unreachable; None when a stop was asked for in between."""
    backoff = Backoff(0.5, 15.0)
    detail = doing
    while not child.stopping:
        child.beat(False, detail)
        try:
            return attempt()
        except Unreachable as error:
            logger.warning("%s %s: %s. Trying again.", child.task.role, child.task.slot, str(error).rstrip("."))
            detail = str(error)
            child.beat(False, detail)
            child.wait(backoff.next())
    return None
