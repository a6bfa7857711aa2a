"""Why no broker coordinates transactions: librdkafka only says that the time is over.

Brokers keep what becomes of transactions in a topic of their own, which they make with the first one. They never say why they
cannot.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka import Producer

TOPIC: Final = "__transaction_state"


class Hindrance(NamedTuple):
    """What is wrong with that topic, and what mends it."""

    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.fix}"


def hindrance(client: "Producer", seconds: float) -> Hindrance | None:
    """Returns what the brokers show of it; None if nothing is wrong, or none answers within `seconds`."""
    from confluent_kafka import KafkaException

    try:
        found = client.list_topics(timeout=seconds)
    except KafkaException:
        return None
    topic = found.topics.get(TOPIC)
    if topic is None or not topic.partitions:
        return Hindrance(
            f"no broker coordinates transactions, and their topic {TOPIC} is not to be seen",
            "brokers can make it only if there are as many as their setting transaction.state.log.replication.factor, and there "
            f"{_are(len(found.brokers))}",
        )
    lacking = [each for each in topic.partitions.values() if each.leader < 0 or len(each.isrs) < len(each.replicas)]
    if not lacking:
        return None
    worst = min(lacking, key=lambda each: len(each.isrs))
    return Hindrance(
        f"of the brokers' topic {TOPIC}, in which they keep transactions, {len(lacking)} of {len(topic.partitions)} partitions "
        f"lack a leader or replicas ({len(worst.isrs)} of {len(worst.replicas)} are in sync)",
        "see that all brokers run, and their setting transaction.state.log.min.isr",
    )


def _are(count: int) -> str:
    return "is one" if count == 1 else f"are {count}"
