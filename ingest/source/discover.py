"""One-shot children: ask hub, checkpoint store and Kafka for what all partition processes need, until all have
answered; later ask whether the hub has more partitions."""

import contextlib
import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ingest.config import Config
from ingest.errors import IngestError, Refused, Unreachable
from ingest.hub import event_hubs
from ingest.hub.partition_look import SAMPLE, try_to_read
from ingest.kafka.position_topic import Room
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.source import hot_path
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import group_id, scope
from ingest.source.delivery.schema import schema_id
from ingest.source.endpoint import facts, find, settle
from ingest.source.preflight import check_topics, places, with_schema
from ingest.timing import Deadline

ANSWER_SECONDS = 25.0
"""The hub's client usually gives up by itself before that."""
_LOOK_SECONDS = 0.2
NO_PLACE = "no_place"

logger = logging.getLogger(__name__)


def run(child: Child) -> None:
    """Hands up `{"partitions": [id, …], "created_ms": when the hub was created, "topics": Topics, "group": the name of the
    group in which nodes share the partitions, "no_place": why some of them cannot be shared, or None}`.

    With `trial` among the task's facts, as for a configuration that is not in force yet, it also checks that the hub
    lets it read; otherwise the partitions' own processes do. Raises Refused if a key is wrong, a hub, consumer group or
    partition unknown, the store not writable, or a topic missing.
    """
    written = child.task.config
    settle(child, fresh=True)
    config = child.task.config
    if child.stopping:
        return
    # Logged here, as this child runs only once in the life of a service.
    logger.info(hot_path.sentence(config.source.format))
    told = wait_until_available(child, "asking the hub for its partitions", lambda: _partitions(config))
    if told is not None and child.task.facts.get("trial"):
        wait_until_available(child, "asking the hub to be let read", lambda: _look(config, told.partition_ids))
    wait_until_available(child, "connecting to the checkpoint store", lambda: _check_store(config))
    topics = wait_until_available(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: check_topics(config)
    )
    no_place = None
    if topics is not None and told is not None:
        names = told.partition_ids
        room = wait_until_available(child, "looking at the topic of positions", lambda: _places(child, config, names))
        if room is not None:
            no_place = room.wrong
            topics = with_schema(child, replace(topics, positions=room.partitions))
    if not child.stopping and told is not None:
        group = group_id(scope(config))
        found = {"partitions": told.partition_ids, "created_ms": told.created_ms, "topics": topics, "group": group}
        child.result(found | {NO_PLACE: no_place} | facts(written, config))


def look_again(child: Child) -> None:
    """Asks the hub once which partitions it has, within `ANSWER_SECONDS`. Raises nothing that the hub or Kafka causes.

    Hands up `{"partitions": [id, …], "topics": Topics | None, "no_place": as for `run`}`, or `{"trouble": sentence}`. The topics
    are checked only if there are partitions besides `known` of the task's facts, as those start next; then the topic of
    positions grows, too.
    """
    answers: list[dict[str, Any]] = []
    deadline = Deadline(ANSWER_SECONDS)
    # On a separate thread: whatever hangs there, this child beats and ends in time.
    asking = threading.Thread(
        target=lambda: answers.append(_answer(child.task.config, child.task.facts.get("known", ()))), daemon=True
    )
    asking.start()
    while asking.is_alive() and not deadline.expired and not child.stopping:
        child.beat(True, "asking the hub for its partitions")
        asking.join(_LOOK_SECONDS)
    child.beat(True, "asked")  # with what it has cost
    if not child.stopping:
        child.result(answers[0] if answers else {"trouble": f"no answer within {ANSWER_SECONDS:g} s"})


def _answer(config: Config, known: Iterable[str]) -> dict[str, Any]:
    written = config
    try:
        config = find(config)
        partitions = event_hubs.partition_ids(config)
    except IngestError as error:
        return {"trouble": str(error)}
    topics, room = None, Room(0)
    if not set(partitions) <= set(known):
        try:
            room = places(config, partitions)
        except IngestError as error:
            room = Room(0, str(error))
        # If they cannot be checked, each new partition reports that itself.
        with contextlib.suppress(IngestError):
            topics = replace(check_topics(config), schema_id=schema_id(config), positions=room.partitions)
    return {"partitions": partitions, "topics": topics, NO_PLACE: room.wrong} | facts(written, config)


def _places(child: Child, config: Config, partitions: list[str]) -> Room:
    """Raises Refused if some partitions have no place and nodes do not share: then all of them are read here."""
    room = places(config, partitions, grows=not child.task.facts.get("trial"))
    if room.wrong is not None and config.cluster.coordination != "kafka":
        raise Refused(room.wrong)
    return room


def _partitions(config: Config) -> event_hubs.Description:
    """Returns only the wanted partitions, each once."""
    told = event_hubs.describe(config)
    found = list(dict.fromkeys(told.partition_ids))
    if not found:
        # As during a failover: a hub without partitions does not exist.
        raise Unreachable(f"hub {event_hubs.address(config).namespace} names no partitions")
    unknown = [wanted for wanted in config.source.partitions if wanted not in found]
    if unknown:
        raise Refused(
            f"source.partitions names {', '.join(unknown)}, and the hub has {', '.join(found)} only; correct the list"
        )
    return event_hubs.Description(list(config.source.partitions) or found, told.created_ms)


def _look(config: Config, partitions: list[str]) -> None:
    """Checks that they can be read. Other readers, most likely the running ingest, do not prevent that."""
    for attempt in try_to_read(config, partitions[:SAMPLE]):
        if attempt.reason in ("not_found", "unauthorized"):
            raise Refused(
                f"hub {event_hubs.address(config).namespace}, consumer group {config.source.consumer_group}, partition "
                f"{attempt.partition}: {attempt.words}"
            )
        if attempt.reason == "silent":
            raise Unreachable(f"partition {attempt.partition}: the hub did not answer the question to be let read")


def _check_store(config: Config) -> None:
    store = open_store(config.checkpoints, scope(config), config.proxy)
    try:
        store.check()
    finally:
        store.close()
