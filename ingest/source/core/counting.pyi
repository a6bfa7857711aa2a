from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ingest.kafka.header_names import Header

class _Message(Protocol):
    def value(self) -> bytes | str | None: ...
    def partition(self) -> int | None: ...

_M = TypeVar("_M", bound=_Message)
_Headers = Sequence[Header] | None

class Count:
    seen: dict[int, bytearray]
    again: dict[int, bytearray]
    records: int
    repeated: int
    out_of_order: int
    first: int
    last: int
    before: int
    after: int
    highest: int
    highest_ms: int
    latest: int
    latest_ms: int

class Counting:
    counts: dict[str, Count]
    is_full: bool
    def __init__(
        self, from_ms: int, to_ms: int, *, most_chunks: int = 150_000, most_slots: int = 4_194_304
    ) -> None: ...
    def take(
        self, messages: Sequence[_M], headers: Sequence[_Headers], other: Callable[[_M, _Headers], None]
    ) -> None: ...
    def add(self, sighting: tuple[str, int, int, bytes | None], place: int) -> None: ...
