"""Which records of a shipment Kafka refused, told by their place in it and never by what is in them."""

from collections.abc import Callable
from types import MethodType
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

OnDelivery = Callable[[KafkaError | None, Message], None]


class Refusal(NamedTuple):
    """One record that Kafka refused, for good."""

    place: int
    """Which one of those that were sent together, from 0."""
    error: KafkaError
    partition: int
    """Of the topic."""


class Shipment:
    """Records that were sent together. Is done when each was acknowledged or refused."""

    __slots__ = ("bytes", "records", "refused")

    def __init__(self, records: int, size: int, refused: list[Refusal]) -> None:
        self.records = records
        self.bytes = size
        self.refused = refused


class Reports:
    """Delivery reports of one shipment after another, each told from the others by its record's place.

    A report does not say which record it is about: it has no headers, and two records may be equal. So each place has a
    callback of its own, a method bound to the number, which is made once and used by all shipments.
    """

    def __init__(self) -> None:
        missing = 0
        refused: list[Refusal] = []
        done: Callable[[list[Refusal]], None] = refused.extend

        def delivered(place: int, error: KafkaError | None, message: Message) -> None:
            """librdkafka calls it once for each record: the only lines of ours that run per acknowledgement."""
            nonlocal missing
            if error is not None:
                refused.append(Refusal(place, error, _partition(message)))
            missing -= 1
            if not missing:
                done(refused)

        def expect(records: int, then: Callable[[list[Refusal]], None]) -> None:
            nonlocal missing, refused, done
            missing, refused, done = records, [], then

        self.expect = expect
        """Must be called before the first of so many reports can come; `then` gets those of refusals."""
        self._delivered = delivered
        self._callbacks: list[OnDelivery] = []

    def callbacks(self, count: int) -> list[OnDelivery]:
        """One for each place; `count` or more."""
        made = self._callbacks
        made += [MethodType(self._delivered, place) for place in range(len(made), count)]
        return made


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition
