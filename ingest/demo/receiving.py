"""The simulated devices as receivers of commands: each completes them at once and in order, and reports them."""

from collections import deque
from contextlib import suppress

from ingest.demo.order import counter_of
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.lock_queue import LockLost


class Receiving:
    """`received` is for one thread; messages arrive in the hub's thread."""

    def __init__(self, hub: C2dHub) -> None:
        """Receives from now on for all devices of `hub`."""
        self._hub = hub
        self._received: deque[tuple[str, int]] = deque()
        hub.watch(self._receive)

    def received(self) -> list[tuple[str, int]]:
        """Returns what was completed since the last call, oldest first: device id and the command's counter, 0 for a
        message that is not of this demo's operator."""
        return [self._received.popleft() for _ in range(len(self._received))]

    def _receive(self, device_id: str) -> None:
        while (delivery := self._hub.take(device_id)) is not None:
            with suppress(LockLost):  # A clock that jumps ends the lock; the message comes again.
                self._hub.complete(device_id, delivery.lock_token)
                self._received.append((device_id, counter_of(device_id, delivery.message_id, delivery.body)))
