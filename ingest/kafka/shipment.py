"""Which records of a shipment Kafka refused, identified by their place in it and never by their content."""

from collections.abc import Callable, Sequence
from types import MethodType
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

OnDelivery = Callable[[KafkaError | None, Message], None]


class Refusal(NamedTuple):
    """One record that Kafka refused, for good."""

    place: int
    """Its place among the records that were sent together, from 0."""
    error: KafkaError
    partition: int
    """The topic's partition."""


class Shipment:
    """Records that were sent together; done once each was acknowledged or refused."""

    __slots__ = ("bytes", "records", "refused")

    def __init__(self, records: int, size: int, refused: list[Refusal]) -> None:
        self.records = records
        self.bytes = size
        self.refused = refused


class Reports:
    """Refusals of one shipment after another, each identified by its record's place.

    A report does not say which record it is about: it has no headers, and two records can be equal. So each place has
    its own callback, a method bound to the number, which is made once and used by all shipments.
    """

    def __init__(self) -> None:
        self.refused: list[Refusal] = []
        """Refusals of the expected shipment."""
        self._callbacks: list[OnDelivery] = []

    def expect(self, count: int) -> Sequence[OnDelivery]:
        """Returns callbacks for the next shipment, `count` or more. No report of the last one may be missing."""
        self.refused = []
        made = self._callbacks
        made += [MethodType(self._reported, place) for place in range(len(made), count)]
        return made

    def _reported(self, place: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refused.append(Refusal(place, error, _partition(message)))


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition
