"""Which of the devices' events a topic holds: once, several times, late or not at all. Pure."""

from collections.abc import Iterator, Mapping
from itertools import islice


class Audit:
    """Takes (device id, the device's own counter from 1 on) in the order of reading."""

    def __init__(self) -> None:
        self.records = 0
        """All records read."""
        self.duplicated = 0
        """Records of an event that had been read before."""
        self.out_of_order = 0
        """Events first read after a later one of the same device."""
        self.unreadable = 0
        """Records that no simulated device sent, or not in this form."""
        self.arrived = 0
        """Number of different events."""
        self._highest: dict[str, int] = {}
        self._skipped: dict[str, set[int]] = {}
        """Device id → counters below its highest that have not been read."""

    def see(self, device_id: str, counter: int) -> None:
        self.records += 1
        highest = self._highest.get(device_id, 0)
        if counter <= highest:
            skipped = self._skipped.get(device_id)
            if skipped is None or counter not in skipped:
                self.duplicated += 1
                return
            skipped.discard(counter)
            self.out_of_order += 1
        else:
            if counter > highest + 1:
                self._skipped.setdefault(device_id, set()).update(range(highest + 1, counter))
            self._highest[device_id] = counter
        self.arrived += 1

    def see_unreadable(self) -> None:
        self.records += 1
        self.unreadable += 1

    def missing(self, sent: Mapping[str, int]) -> int:
        """Returns how many events are unread, if each device has sent its counters from 1 to `sent[device id]`."""
        return sum(1 for _ in self._missing(sent))

    def missing_examples(self, sent: Mapping[str, int], most: int) -> list[tuple[str, int]]:
        """Returns up to `most` of them as (device id, counter), the oldest of each device first."""
        return list(islice(self._missing(sent), most))

    def _missing(self, sent: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        for device_id, count in sent.items():
            yield from ((device_id, one) for one in sorted(self._skipped.get(device_id, ())) if one <= count)
            yield from ((device_id, one) for one in range(self._highest.get(device_id, 0) + 1, count + 1))
