"""Connect's offset store: a standalone worker's file, or the topic of distributed workers."""

import os
from pathlib import Path
from typing import Final

from ingest.config import Kafka
from ingest.errors import Refused
from ingest.migrate.java_map import BadMap, read_pairs
from ingest.migrate.positions import Entry
from ingest.timing import Deadline

_LARGEST_BYTES: Final = 64 << 20
"""One partition takes about 200 bytes."""
ANSWER_SECONDS: Final = 15.0
SECONDS: Final = 120.0
"""A topic that is not compacted can hold a record for each flush of several years."""


def read_file(path: Path) -> list[Entry]:
    """Returns the entries of the file, none for an empty one, as Connect reads it. Raises Refused."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as failed:
        raise Refused(
            f"the worker's offset file {path} cannot be read ({os.strerror(failed.errno or 0)}): name it with --offsets-file"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise Refused(
            f"{path} is larger than {_LARGEST_BYTES} bytes, so it is no offset file: name it with --offsets-file"
        )
    if not content:
        return []
    try:
        return [Entry(*pair) for pair in read_pairs(content)]
    except BadMap as bad:
        raise Refused(
            f"{path} is no offset file of a Connect worker ({bad}): restore it, or name it with --offsets-file"
        ) from None


def read_topic(kafka: Kafka, topic: str) -> list[Entry]:
    """Returns the topic's present records, in order per partition: the same key is always in the same partition.

    Raises Refused if the topic does not exist, Unreachable if Kafka does not answer or the end is not reached in time.
    """
    from ingest.kafka.admin import Topics
    from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, ends_of
    from ingest.kafka.client import new_consumer, settings

    answer, deadline = Deadline(ANSWER_SECONDS), Deadline(SECONDS)
    chosen = settings(kafka)
    # librdkafka requires a group; it is never joined.
    consumer = new_consumer({**CONSUMER, **chosen, "group.id": "ingest-migrate"})
    try:
        partitions = Topics(chosen).describe(topic, answer.remaining())
        ends = dict(ends_of(consumer, topic, partitions, answer))
        records = BoundedReader(consumer, topic, ends).to_the_end(deadline)
        return [Entry(_bytes(record.key()), _bytes(record.value())) for record in records]
    finally:
        consumer.close()


def _bytes(content: object) -> bytes | None:
    return content if isinstance(content, bytes) else None
