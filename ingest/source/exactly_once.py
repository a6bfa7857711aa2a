"""The start of a partition process that delivers exactly once.

The order matters: first the transactions of every earlier process end, and it can commit nothing more; then the last committed
position is read; only then does this one take the partition from the hub.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import closing

from ingest.config import Config
from ingest.errors import Refused
from ingest.hub.position import Position
from ingest.kafka.client import SILENT_MS
from ingest.kafka.last_record import TailReader
from ingest.kafka.position_topic import number_of
from ingest.kafka.transactions import TransactionalPool
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.source.checkpoints import Checkpoint
from ingest.source.checkpoints.order import further
from ingest.source.checkpoints.position_record import decoded, key_of, transactional_id
from ingest.source.checkpoints.scope import scope
from ingest.source.checkpoints.store import Damaged
from ingest.source.delivery.place import Place
from ingest.source.delivery.transactional import TransactionalDelivery
from ingest.source.preflight import Topics, has_place
from ingest.source.steps import Steps
from ingest.timing import Deadline

MEET_SECONDS = 2.0
INITIALIZE_SECONDS = SILENT_MS / 1000 + 1
"""Until then a request without an answer is over. A call that is made again while one is on its way sends another, which fences
the producer that takes the first one's answer."""
PATIENCE_SECONDS = 4.0
"""Brokers take some milliseconds; then it is looked what hinders them."""
LOOK_SECONDS = 0.1
"""How long a stop can go unnoticed meanwhile."""
READ_SECONDS = 8.0
"""One try; a heartbeat comes before and after it."""

logger = logging.getLogger(__name__)


class Transactions:
    """An initialized pool, and where Kafka says that the partition stands."""

    def __init__(
        self,
        config: Config,
        partition: str,
        pool: TransactionalPool,
        position: Checkpoint | None,
    ) -> None:
        self.stored: Checkpoint | None = None
        """What the checkpoint store holds."""
        self._config = config
        self._partition = partition
        self._pool = pool
        self._position = position

    def start(self, stored: Checkpoint | None) -> Checkpoint | None:
        """Returns where to go on: at the position in Kafka, or behind the checkpoint if there is none, or if that is further on,
        as after a time with at_least_once."""
        self.stored, position = stored, self._position
        if position is None and stored is not None and not stored.lease:
            logger.info(
                "Partition %s has no position in %s, and goes on behind its checkpoint in %s, sequence number %s: what came to "
                "Kafka after that comes again.",
                self._partition,
                self._config.source.position_topic,
                stored.place,
                stored.sequence_number,
            )
        if position is None or stored is None or stored.lease:
            return position or stored
        if not further(stored, position):
            return position
        logger.warning(
            "Partition %s goes on at its checkpoint in %s, sequence number %s: that is further on than the position in %s, %s.",
            self._partition,
            stored.place,
            stored.sequence_number,
            self._config.source.position_topic,
            position.sequence_number,
        )
        return stored

    def delivery(
        self, topics: Topics, value: Callable[[Position], bytes], may_send: Callable[[], bool]
    ) -> TransactionalDelivery:
        """`value`: the value of a position's record."""
        config, partition = self._config, self._partition
        place = Place(config.source.position_topic, number_of(partition), key_of(scope(config), partition), value)
        return TransactionalDelivery(
            config,
            partition,
            self._pool,
            place,
            topic_partitions=topics.partitions,
            max_record_bytes=topics.max_record_bytes,
            dead_letter_bytes=topics.dead_letter_bytes,
            schema_id=topics.schema_id,
            may_send=may_send,
        )


def open_transactions(child: Child, topics: Topics, steps: Steps) -> Transactions | None:
    """Returns None if a stop is requested first. Raises Refused, or Displaced if another process does the same now."""
    config, partition = child.task.config, child.task.slot
    topic, place = config.source.position_topic, number_of(partition)
    if not has_place(child, topics, partition):
        return None
    pool = TransactionalPool(
        config.kafka,
        transactional_id(scope(config), partition),
        client_id=f"ingest-source-{partition}",
        max_record_bytes=topics.max_record_bytes,
        largest_bytes=topics.dead_letter_bytes,
    )
    pool.start()
    # It connects while the transactions of earlier processes end; it reads only after that.
    reader = wait_until_available(child, f"opening {topic}", lambda: TailReader(config.kafka, topic, place))
    if reader is None:
        return None
    with closing(reader):
        if not _initialized(child, pool):
            return None
        steps.done("transactions")
        position = _position(child, reader)
        steps.done("position")
    return None if position is None else Transactions(config, partition, pool, position[0])


def _initialized(child: Child, pool: TransactionalPool) -> bool:
    """Waits until no earlier process can commit anything more; returns False if a stop is requested first. Errors as
    `open_transactions`."""
    config = child.task.config
    doing = f"beginning transactions with Kafka at {config.kafka.bootstrap_servers}"

    def initialize() -> bool:
        pool.meet(config.source.topic, MEET_SECONDS)
        raised: list[BaseException] = []
        over = threading.Event()

        def run() -> None:
            try:
                pool.initialize(INITIALIZE_SECONDS)
            except BaseException as error:
                raised.append(error)
            over.set()

        threading.Thread(target=run, name="transactions", daemon=True).start()
        patience, hindrance = Deadline(PATIENCE_SECONDS), None
        while not over.wait(LOOK_SECONDS):
            if child.stopping:
                return False
            if patience.expired and hindrance is None:
                hindrance = pool.hindrance(MEET_SECONDS) or ""
                if hindrance:
                    logger.warning("Partition %s waits: %s.", child.task.slot, hindrance)
            child.beat(False, pool.trouble or hindrance or doing)
        if raised:
            raise raised[0]
        return True

    return wait_until_available(child, doing, initialize) is True


def _position(child: Child, reader: TailReader) -> tuple[Checkpoint | None] | None:
    """Returns the last committed position, which can be none; None if a stop is requested first. Raises Refused."""
    config, partition = child.task.config, child.task.slot
    topic = config.source.position_topic

    def read() -> tuple[Checkpoint | None]:
        found = reader.last(key_of(scope(config), partition), READ_SECONDS)
        if found is None or found.value is None:
            return (None,)
        place = f"offset {found.offset} of {topic}[{partition}]"
        return (decoded(found.value, partition, place).checkpoint(partition),)

    return wait_until_available(child, f"reading the position in {topic}", read, mendable=Damaged)


def forget_position(config: Config, partition: str, deadline: Deadline) -> None:
    """Deletes the position of a partition, for a new start at `source.start`. A process that still runs is displaced. Raises
    Refused or Unreachable."""
    pool = TransactionalPool(config.kafka, transactional_id(scope(config), partition), client_id="ingest-reset")
    pool.start()
    pool.initialize(deadline.remaining())
    pool.begin()
    topic = config.source.position_topic
    pool.tombstone(topic, number_of(partition), key_of(scope(config), partition))
    while not pool.commit(min(1.0, deadline.remaining())):
        if deadline.expired:
            raise Refused(f"Kafka did not commit the deletion of partition {partition}'s position: repeat the command")
