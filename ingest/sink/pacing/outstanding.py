"""How many messages of a device wait in the hub, according to feedback. Pure; the clock is passed in.

The hub itself refuses the 51st (403004); the count only saves the refusal. So if there is too much to remember, or
feedback was lost, the oldest entry is forgotten.
"""

from collections import OrderedDict

from ingest.hub.limits import COMMANDS_PER_DEVICE


class OutstandingLimit:
    """Messages that were sent and whose feedback has not come."""

    def __init__(self, *, seconds: float, per_device: int = COMMANDS_PER_DEVICE, capacity: int = 100_000) -> None:
        """`seconds`: after how long without feedback a message no longer counts; the hub's time to live suits.
        `capacity`: messages remembered in all, some 300 bytes each."""
        self._seconds = seconds
        self._per_device = per_device
        self._capacity = capacity
        self._ends: OrderedDict[tuple[str, str], float] = OrderedDict()
        """By device and message id. All live equally long, so the first one ends first."""
        self._counts: dict[str, int] = {}
        self._freed: list[str] = []

    def has(self, device_id: str) -> bool:
        return self._counts.get(device_id, 0) < self._per_device

    def spend(self, device_id: str, message_id: str, now: float) -> None:
        """Notes that the hub took the message. One that is sent again under its old id counts once."""
        self.give_back(device_id, message_id)
        self._ends[device_id, message_id] = now + self._seconds
        self._counts[device_id] = self._counts.get(device_id, 0) + 1
        if len(self._ends) > self._capacity:
            self.give_back(*next(iter(self._ends)))

    def give_back(self, device_id: str, message_id: str) -> None:
        """Takes feedback; it changes nothing for a message of another process, or of an earlier life."""
        if self._ends.pop((device_id, message_id), None) is None:
            return
        count = self._counts.pop(device_id)
        if count > 1:
            self._counts[device_id] = count - 1
        # Only a device that had no credit can be waiting for it.
        if count == self._per_device:
            self._freed.append(device_id)

    def forget(self, device_id: str) -> None:
        """Forgets all messages of the device: the hub has taken one without credit, so feedback was lost."""
        left, old = self._counts.get(device_id, 0), []
        for key in self._ends:  # all devices' messages, in the worst case; the device is tried once a minute
            if not left:
                break
            if key[0] == device_id:
                old.append(key)
                left -= 1
        for key in old:
            self.give_back(*key)

    def freed(self, now: float) -> list[str]:
        """Returns devices that have credit again since the last call."""
        while self._ends and (oldest := next(iter(self._ends.items())))[1] <= now:
            self.give_back(*oldest[0])
        freed, self._freed = self._freed, []
        return freed

    def end(self) -> float | None:
        """Returns when the oldest message stops counting; None without messages."""
        return next(iter(self._ends.values()), None)
