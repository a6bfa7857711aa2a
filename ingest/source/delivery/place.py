"""Where the position of a partition is kept in Kafka, and as what."""

from collections.abc import Callable
from typing import NamedTuple

from ingest.hub.position import Position


class Place(NamedTuple):
    """The record of a position."""

    topic: str
    partition: int
    key: bytes
    value: Callable[[Position], bytes]
