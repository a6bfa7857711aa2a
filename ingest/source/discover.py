"""One-shot child: asks hub, checkpoint store and Kafka what all partition processes need, until all have answered."""

from ingest.child import Child
from ingest.config import Config
from ingest.errors import Refused
from ingest.insist import insist
from ingest.source import hub
from ingest.source.checkpoints import open_store
from ingest.source.readiness import look_at_topics


def run(child: Child) -> None:
    """Hands up `{"partitions": [id, …], "created_ms": when the hub was made, "topics": Topics}`.

    Raises Refused for a wrong key, an unknown hub or partition, a store that may not be written, or a missing topic.
    """
    config = child.task.config
    told = insist(child, "asking the hub for its partitions", lambda: _partitions(config))
    insist(child, "connecting to the checkpoint store", lambda: _check_store(config))
    topics = insist(child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: look_at_topics(config))
    if not child.stopping and told is not None:
        child.result({"partitions": told.partition_ids, "created_ms": told.created_ms, "topics": topics})


def _partitions(config: Config) -> hub.Description:
    """Of the partitions only those that are wanted."""
    told = hub.describe(config)
    found = told.partition_ids
    unknown = [wanted for wanted in config.source.partitions if wanted not in found]
    if unknown:
        raise Refused(
            f"source.partitions names {', '.join(unknown)}, and the hub has {', '.join(found)} only; correct the list"
        )
    return hub.Description(list(config.source.partitions) or found, told.created_ms)


def _check_store(config: Config) -> None:
    store = open_store(config.checkpoints, hub.scope(config))
    try:
        store.check()
    finally:
        store.close()
