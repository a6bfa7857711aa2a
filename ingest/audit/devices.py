"""The highest sequence number of each device, for a million devices in 32 MiB. Pure."""

from array import array
from typing import Final

_FIRST_SLOTS: Final = 1 << 12
MOST_SLOTS: Final = 1 << 22
"""64 MiB. Devices that find no room are not judged."""


class LastNumbers:
    """A hash table with open addressing: no object for a device.

    Devices are known by 64 bits of a hash. Among a million, two are taken for one with a probability of 1 in 30 million.
    """

    def __init__(self, most_slots: int = MOST_SLOTS) -> None:
        self.is_full = False
        """Whether there was a device for which there was no room."""
        self._most = most_slots
        self._used = 0
        self._keys = array("Q", bytes(8 * min(_FIRST_SLOTS, most_slots)))
        self._numbers = array("q", bytes(8 * len(self._keys)))

    def is_later(self, device: int, number: int) -> bool:
        """Takes the next event of a device, which is 64 bits of a hash. Returns False if a higher number came before."""
        device = device or 1  # 0 is an empty slot
        slot = self._slot(device)
        if self._keys[slot]:
            if number < self._numbers[slot]:
                return False
            self._numbers[slot] = number
            return True
        if 4 * (self._used + 1) > 3 * len(self._keys):
            if len(self._keys) >= self._most:
                self.is_full = True
                return True
            self._grow()
            slot = self._slot(device)
        self._used += 1
        self._keys[slot], self._numbers[slot] = device, number
        return True

    def _slot(self, device: int) -> int:
        keys = self._keys
        mask = len(keys) - 1
        slot = device & mask
        while keys[slot] not in (0, device):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = zip(self._keys, self._numbers, strict=True)
        slots = 2 * len(self._keys)
        self._keys, self._numbers = array("Q", bytes(8 * slots)), array("q", bytes(8 * slots))
        for device, number in old:
            if device:
                slot = self._slot(device)
                self._keys[slot], self._numbers[slot] = device, number
