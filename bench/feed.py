"""The hub of the source's benchmarks: its log is full before the clock starts, and is shown when the clock does."""

from bench.hub import HubProcess
from tests.emulator.raw_client import RawClient
from tests.faults.waiting import wait_until

HUB = "iothub-ehub-emulator"
FILL_SECONDS = 60.0
DEVICES = 100
SAMPLED_FRAMES = 1_000


class Feed(HubProcess):
    """`events` simulated events in `partitions` partitions. The transfer frame of one has about 600 bytes: some 120 of
    body, IoT Hub's own annotations most of the rest."""

    def __init__(self, events: int, partitions: int = 1) -> None:
        super().__init__("--partitions", str(partitions), "--events", str(events), "--devices", str(DEVICES))

    def start(self) -> None:
        """Returns when the log is full."""
        super().start()
        wait_until(lambda: self.control("GET", "/simulation")["done"], "the hub's log is not full", FILL_SECONDS)

    def hide(self) -> None:
        """Clients can attach, and are sent nothing until `show`."""
        self.order("faults/starve")

    def show(self) -> None:
        self.control("DELETE", "/faults")

    def frame_bytes(self) -> int:
        """Mean size of the transfer frames of partition 0, as a stranger's client gets them."""
        key = self.event_hub.partition("SharedAccessKey=")[2].partition(";")[0]
        with RawClient(self.endpoints["amqp"]) as client:
            client.open()
            client.authorize(key, HUB)
            client.attach_receiver(HUB)
            client.receive_attach()
            client.flow(0, SAMPLED_FRAMES)
            return round(client.count_transfers(SAMPLED_FRAMES) / SAMPLED_FRAMES)
