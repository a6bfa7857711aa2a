"""The one transactional producer of a partition process. Its transactional id fences every earlier producer of that name.

librdkafka's transactional calls wait for brokers. Each of them here returns within a second or so, and goes on where it was when
it is called again, so that the loop around it keeps its heartbeat and its link.
"""

import contextlib
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from ingest.config import Kafka
from ingest.config.delivery_rules import TIMEOUT
from ingest.errors import Displaced, IngestError, Refused, RestartRequired, Undeliverable, Unreachable
from ingest.kafka import transaction_log
from ingest.kafka.complaints import words
from ingest.kafka.records import Record
from ingest.kafka.shipment import OnDelivery
from ingest.kafka.shipping import REFUSALS_ONLY, ShippingPool

TIMEOUT_MS: Final = 60_000
"""The broker aborts a transaction that is open for longer. Until then a node that died holds back what readers of committed
records get; the process that follows it ends it at once."""
END_SECONDS: Final = 1.0
"""How long one call waits for the end of a transaction, if it must; brokers need some milliseconds. librdkafka 2.16 goes on where
it was when the call is made again, but not always: a call that comes while its own thread still handles the one before can find
the transaction in a state that it does not allow (_STATE), and one of a millisecond often does."""
_LEAST_SECONDS: Final = 0.001
_LOOK_SECONDS: Final = 2.0
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
_PASSING: Final = frozenset(
    {KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_TXN_STATE}
)
_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
_ACLS: Final = (
    "kafka-acls.sh --add --allow-principal User:NAME --operation Write --operation Describe --transactional-id ingest/ "
    "--resource-pattern-type prefixed"
)


class Aborted(IngestError):
    """The transaction cannot be committed: `abort` it. None of its records counts."""

    def __init__(self, error: KafkaError | None) -> None:
        self.error = error
        super().__init__("the transaction must be aborted" if error is None else error.str())


def fenced(error: KafkaError) -> bool:
    """Whether a newer producer has the transactional id, or the transaction was open for too long: brokers say the same."""
    return error.code() in _FENCED


def passing(error: KafkaError) -> bool:
    """Whether a transaction can meet this after one that was aborted; the next one does not."""
    return error.code() in _PASSING


def purged(error: KafkaError) -> bool:
    """Whether a record was dropped by an abort, so that this says nothing about it."""
    return error.code() in _PURGED


class TransactionalPool(ShippingPool):
    """A pool of one producer for records to all topics: `start`, `initialize`, then `begin`, records, `commit` or `abort`."""

    def __init__(
        self,
        kafka: Kafka,
        transactional_id: str,
        *,
        client_id: str,
        max_record_bytes: int | None = None,
        largest_bytes: int | None = None,
    ) -> None:
        """`max_record_bytes`: of a request, as the telemetry topic takes it; `largest_bytes`: of the largest record to any topic,
        if that is more."""
        super().__init__(kafka, client_id=client_id, max_record_bytes=max_record_bytes)
        self.transactional_id = transactional_id
        # A topic of positions that was deleted must not be made by the next record: it would not be compacted.
        made = {"allow.auto.create.topics": False, "transactional.id": transactional_id}
        self._config = {TIMEOUT: TIMEOUT_MS, **self._config, **made}
        if largest_bytes is not None and largest_bytes > self.max_record_bytes:
            self._config["message.max.bytes"] = min(largest_bytes, self._most_bytes)
        self._count = 1
        self._offered = self._offered_bytes = 0

    def start(self) -> None:
        self._producers = self._shippers = self.clients = self._made(**{REFUSALS_ONLY: True})

    @property
    def _producer(self) -> Producer:
        return self.clients[0]

    def limit(self, max_record_bytes: int) -> None:
        """Raises RestartRequired: a new producer needs a new start."""
        raise RestartRequired(f"the telemetry topic takes records of {max_record_bytes} bytes now")

    def meet(self, topic: str, seconds: float) -> None:
        """Waits until brokers, and the leaders of a topic that exists, are known: without them librdkafka looks for the
        coordinator of transactions only every 500 ms. Raises nothing: `initialize` says what is wrong."""
        with contextlib.suppress(KafkaException):
            # With the first answer the brokers that it names take the place of those that were configured.
            for _ in range(2):
                self._producer.list_topics(topic, seconds)

    def initialize(self, seconds: float) -> None:
        """Ends what an earlier producer of this id has left open, and takes its place. Raises Unreachable if no broker answers in
        time: call it again; Refused if this user may not; Displaced if another producer does the same now."""
        try:
            self._producer.init_transactions(seconds)
            return
        except KafkaException as failed:
            error: KafkaError = failed.args[0]
        # Not above, as it asks the client again: see Outbox._send.
        self._producer.poll(0)
        if fenced(error):
            raise self.displaced()
        if error.name() in ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"):
            raise Refused(
                f"this user may not use the transactional id {self.transactional_id!r}: {error.str()}; allow it: {_ACLS}"
            )
        if error.retriable() or error.code() == KafkaError._TIMED_OUT:
            why = self.trouble or self.hindrance(_LOOK_SECONDS)
            raise Unreachable(f"Kafka's transactions cannot begin: {why or words(error)}")
        raise Refused(f"Kafka's transactions cannot begin: {words(error)}")

    def hindrance(self, seconds: float) -> str | None:
        """Returns why no broker coordinates transactions, as far as that can be seen within `seconds`."""
        found = transaction_log.hindrance(self._producer, seconds)
        return None if found is None else str(found)

    def begin(self) -> None:
        """Asks no broker. Raises as `commit`."""
        if not self._ask(lambda _: self._producer.begin_transaction(), 0):
            raise RestartRequired("Kafka producer: the transaction before this one has not ended")

    def offer(self, topic: str, record: Record, refused: OnDelivery, partition: int | None = None) -> bool:
        """Queues one record; `refused` is called only if it is refused. Returns False if there is no room. `partition`: of the
        topic; None: that of its key.

        Raises Undeliverable as `send`, and Aborted if this transaction takes nothing more.
        """
        producer = self._producer if partition is None else _Into(self._producer, partition)
        try:
            queued = self._queue(producer, topic, record, refused)  # type: ignore[arg-type]  # as much of it as is used
        except Undeliverable:
            raise
        except IngestError:
            raise Aborted(None) from None
        if queued:
            self._offered += 1
            self._offered_bytes += len(record[1])
            self.in_flight += 1
            self.in_flight_bytes += len(record[1])
        return queued

    def tombstone(self, topic: str, partition: int, key: bytes) -> None:
        """Queues the deletion of a key."""
        self._producer.produce(topic, None, key, partition=partition)

    def commit(self, seconds: float) -> bool:
        """Sends what is queued, and once Kafka has all of it commits; returns False if that takes longer: call it again, and
        nothing else meanwhile. Raises Aborted, Displaced or RestartRequired."""
        if len(self._producer):
            self.flush(seconds)
            if len(self._producer):
                return False
        return self._ask(self._producer.commit_transaction, max(seconds, END_SECONDS))

    def abort(self, seconds: float) -> bool:
        """Drops what is queued and aborts; as `commit`."""
        return self._ask(self._producer.abort_transaction, max(seconds, END_SECONDS))

    def poll(self, timeout: float) -> None:
        self._served(super().poll, timeout)

    def flush(self, timeout: float) -> None:
        self._served(super().flush, timeout)

    def _served(self, serve: Callable[[float], None], timeout: float) -> None:
        try:
            serve(timeout)
            return
        except RestartRequired as error:
            broken = error
        raise self._cause(broken)  # not above: see Outbox._send

    def _ask(self, call: Callable[[float], Any], seconds: float) -> bool:
        try:
            call(max(_LEAST_SECONDS, seconds))
        except (KafkaException, SystemError) as failed:
            error = failed.args[0]
        else:
            self.health.answered()
            self._look()
            return True
        # Not above, as it asks the client again: see Outbox._send.
        if not isinstance(error, KafkaError):
            raise self._cause(RestartRequired(f"Kafka producer: {error}"))
        if fenced(error):
            raise self.displaced()
        if error.fatal():
            raise RestartRequired(f"Kafka producer: {error.str()}")
        if error.txn_requires_abort():
            raise Aborted(error)
        if error.retriable() or error.code() == KafkaError._TIMED_OUT:
            self._look()
            return False
        raise RestartRequired(f"Kafka transaction: {error.name()}: {error.str()}")

    def _look(self) -> None:
        super()._look()
        if self._offered and not len(self._producer):
            self.in_flight -= self._offered
            self.in_flight_bytes -= self._offered_bytes
            self._offered = self._offered_bytes = 0

    def _cause(self, broken: RestartRequired) -> RestartRequired:
        """What `poll` raises after a fatal error does not say which; a transactional call does."""
        try:
            self._producer.begin_transaction()
        except (KafkaException, SystemError) as failed:
            error = failed.args[0]
            if isinstance(error, KafkaError) and fenced(error):
                return self.displaced()
        return broken

    def displaced(self) -> Displaced:
        """Returns the error for a process whose place another one has."""
        return Displaced(
            f"Kafka takes no more transactions of {self.transactional_id} from this process: another one has its place, or "
            f"one was open for longer than {TIMEOUT}"
        )


class _Into:
    """A producer whose records go to one partition."""

    def __init__(self, producer: Producer, partition: int) -> None:
        self._producer = producer
        self._partition = partition

    def produce(self, *arguments: Any, **more: Any) -> None:
        self._producer.produce(*arguments, **{**more, "partition": self._partition})
