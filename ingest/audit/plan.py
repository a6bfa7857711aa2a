"""What is to be audited."""

from collections.abc import Sequence
from typing import NamedTuple


class Plan(NamedTuple):
    topic: str
    from_ms: int
    """Unix milliseconds of the hub's times."""
    to_ms: int
    """The end, which is not in the stretch."""
    partitions: Sequence[str] = ()
    """Those of the hub; none: all."""
    consumer_group: str = "$Default"
    """For reading from the hub."""
    refetch: bool = False
    """Whether contents are compared with the hub's."""
    ranges: int = 20
    """How many ranges of numbers are listed for a partition."""
