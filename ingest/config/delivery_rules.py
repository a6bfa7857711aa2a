"""Rules about `source.delivery`: what Kafka transactions need, and what cannot be beside them. Pure."""

from collections.abc import Iterator
from typing import Final

from ingest.config.librdkafka import first_name
from ingest.config.rendering import shown_value
from ingest.config.schema import Config
from ingest.errors import Problem

Broken = Iterator[tuple[tuple[str, ...], Problem]]
TIMEOUT: Final = "transaction.timeout.ms"
"""librdkafka's setting; the broker aborts a transaction that is open for longer, and its `transaction.max.timeout.ms` bounds
it: 15 minutes by default."""
_DELIVERY: Final = "source.delivery"
_INTERVAL: Final = "source.commit_interval_ms"
_LONGEST_MS: Final = 900_000


def broken_delivery(config: Config) -> Broken:
    """Yields every broken rule."""
    source, kafka = config.source, config.kafka
    if config.needs_position_topic:
        yield from _position_topic(config)
    if source.delivery != "exactly_once":
        return
    if kafka.kind == "event_hubs":
        fix = 'the Kafka endpoint of Event Hubs has no transactions (kafka.kind = "event_hubs"): write "at_least_once"'
        yield (_DELIVERY, "kafka.kind"), Problem(_DELIVERY, '"exactly_once"', fix)
    if kafka.producers > 1:
        fix = f'{_DELIVERY} = "exactly_once" has one transaction at a time, of one producer: write 1 or leave this key out'
        yield ("kafka.producers", _DELIVERY), Problem("kafka.producers", str(kafka.producers), fix)
    yield from _timeout(config)


def _position_topic(config: Config) -> Broken:
    source, sink = config.source, config.sink
    others = (
        ("source.topic", (source.topic,)),
        ("source.dead_letter_topic", (source.dead_letter_topic,)),
        ("sink.topics", sink.topics),
        ("sink.dead_letter_topic", (sink.dead_letter_topic,)),
        ("sink.feedback_topic", (sink.feedback_topic,)),
    )
    for key, topics in others:
        if source.position_topic in topics:
            fix = f"the same topic as in {key}, and it holds nothing but positions: choose another, such as ingest-positions"
            yield ("source.position_topic", key), Problem("source.position_topic", f'"{source.position_topic}"', fix)


def _timeout(config: Config) -> Broken:
    for name, value in config.kafka.librdkafka.items():
        if first_name(name) != TIMEOUT:
            continue
        text, least = str(value), max(10_000, 2 * config.source.commit_interval_ms)
        if text.isdecimal() and not least <= int(text) <= _LONGEST_MS:  # librdkafka refuses what is no number
            key = f"kafka.librdkafka.{name}"
            fix = (
                f"a transaction must have more time than {_INTERVAL}, and Kafka gives it {_LONGEST_MS} at most: write {least} to "
                f"{_LONGEST_MS}, or leave it out (60000)"
            )
            yield (key, _INTERVAL), Problem(key, shown_value(text), fix)
