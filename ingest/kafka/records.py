"""Records to be sent together, as columns: this needs no object per record."""

from collections.abc import Iterable, Iterator

Headers = list[tuple[str, str | bytes | None]]
"""The form that confluent-kafka takes; our values are always bytes."""

Record = tuple[bytes | None, bytes, Headers | None, int]
"""Key, value, headers, timestamp in Unix milliseconds (0: now)."""


class Records:
    """Four lists of equal length: a record has the same place in each."""

    __slots__ = ("headers", "keys", "times", "values")

    def __init__(
        self, keys: list[bytes | None], values: list[bytes], headers: list[Headers | None], times: list[int]
    ) -> None:
        self.keys = keys
        self.values = values
        self.headers = headers
        self.times = times

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Records":
        made = cls([], [], [], [])
        for key, value, headers, time in records:
            made.keys.append(key)
            made.values.append(value)
            made.headers.append(headers)
            made.times.append(time)
        return made

    def extend(self, more: "Records") -> None:
        """Adds `more` after these."""
        self.keys += more.keys
        self.values += more.values
        self.headers += more.headers
        self.times += more.times

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Record]:
        return zip(self.keys, self.values, self.headers, self.times, strict=True)
