"""Reads what an earlier life of the feedback process has written, from the end of the feedback topic.

A process that is killed after Kafka has acknowledged a feedback message's records, but before the hub has the
acceptance, gets the message again in its next life.
"""

from collections.abc import Callable

from confluent_kafka import Message

from ingest.config import Kafka
from ingest.kafka.admin import Topics, fix_of_missing
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, ends_of
from ingest.kafka.client import new_consumer, settings
from ingest.sink.feedback.dedup import FeedbackDedup
from ingest.sink.feedback.message import read_back
from ingest.timing import Deadline

RECORDS = 50_000
"""Records read in all, shared among the topic's partitions."""
LEAST_RECORDS = 2_048
"""Records read of each partition at least: twice what can be written but not accepted (`contract.PREFETCH` messages of 64
records)."""
ANSWER_SECONDS = 5.0
"""Time-out for asking where the topic ends."""
SECONDS = 60.0


def read_tail(kafka: Kafka, topic: str, seen: FeedbackDedup, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Adds the last records of the topic to `seen`; returns how many. Commits nothing.

    `go_on` is called several times a second while it reads, and stops it by returning False. Raises Refused if the
    topic does not exist, Unreachable if Kafka does not answer or the end is not reached within a minute.
    """
    answer, deadline = Deadline(ANSWER_SECONDS), Deadline(SECONDS)
    # librdkafka requires a group; it is never joined.
    chosen = settings(kafka)
    consumer = new_consumer({**CONSUMER, **chosen, "group.id": "ingest-feedback-tail"})
    try:
        partitions = Topics(chosen, create=fix_of_missing(kafka)).describe(topic, answer.remaining())
        ends = ends_of(consumer, topic, partitions, answer)
        share = max(LEAST_RECORDS, RECORDS // max(1, len(ends)))
        stretch = BoundedReader(
            consumer, topic, {partition: (max(low, high - share), high) for partition, (low, high) in ends.items()}
        )
        return sum(_add(seen, message) for message in stretch.to_the_end(deadline, go_on=go_on))
    finally:
        consumer.close()


def _add(seen: FeedbackDedup, message: Message) -> int:
    value = message.value()
    told = read_back(value) if isinstance(value, bytes) else None
    if told is None:
        return 0
    device_id, message_id, status, enqueued_ms = told
    seen.add(device_id, message_id, status, enqueued_ms)
    return 1
