"""What a stock client receives, read in a bounded time."""

import threading

from azure.eventhub import EventData, EventHubConsumerClient, PartitionContext

DEADLINE_SECONDS = 20


def receive(client: EventHubConsumerClient, count: int) -> list[EventData]:
    """The first `count` events that the client gets from all partitions; closes the client."""
    events: list[EventData] = []
    enough = threading.Event()

    def on_batch(_: PartitionContext, batch: list[EventData]) -> None:
        events.extend(batch)
        if len(events) >= count:
            enough.set()

    def run() -> None:
        # In batches: `receive` serves the partitions in turn, one event each, and waits 0.2 s at each empty one.
        client.receive_batch(on_batch, starting_position="-1")

    thread = threading.Thread(target=run)
    with client:
        thread.start()
        enough.wait(DEADLINE_SECONDS)
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    return events
