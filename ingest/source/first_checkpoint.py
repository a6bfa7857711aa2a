"""Where a partition that has no checkpoint begins."""

import logging
from datetime import UTC, datetime

from ingest.hub import event_hubs
from ingest.hub.position import EARLIEST
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.source.checkpoints import Checkpoint, CheckpointStore
from ingest.source.checkpoints.store import Changed, Damaged
from ingest.source.receiving.start import resolve

logger = logging.getLogger(__name__)


def first_checkpoint(child: Child, store: CheckpointStore, lease: Checkpoint | None) -> Checkpoint | None:
    """Returns the position to begin with, saved before anything is read: a process that replaces this one must find the
    same. None if `source.start` always means the same."""
    config, partition = child.task.config, child.task.slot

    def resolved() -> Checkpoint | None:
        return resolve(config.source, partition, datetime.now(UTC), lambda: event_hubs.standing(config, partition))

    first = lease
    if first is None and child.task.facts.get("added"):
        # It is read from its oldest event whatever `source.start` says; the next start of the service must do the same.
        first = Checkpoint(partition, EARLIEST, -1)
    first = first or wait_until_available(child, "asking the hub where the partition stands", resolved)
    if first is None or child.stopping:
        return None
    if first.lease:
        logger.info("Partition %s has no checkpoint, and begins behind the lease %s.", partition, first.place)
    return wait_until_available(
        child, "keeping the position to begin with", lambda: _keep(store, first), mendable=Damaged
    )


def _keep(store: CheckpointStore, first: Checkpoint) -> Checkpoint | None:
    """Saves `first`, unless another process has saved a checkpoint meanwhile."""
    try:
        return store.save(first, None)
    except Changed as changed:
        if changed.damage is not None:
            raise Damaged(first.partition, changed.damage) from None
        return changed.found
