"""Microsoft's Python processor: `EventHubConsumerClient` with its blob store. See README.md for what it reads and prints."""

import os
import signal
import sys
import threading

from azure.eventhub import CloseReason, EventData, EventHubConsumerClient, PartitionContext
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

_EVERY = int(os.environ["CHECKPOINT_EVERY"])
_stopping = threading.Event()
_last: dict[str, EventData] = {}
_handled: dict[str, int] = {}


def say(*words: object) -> None:
    print(*words, flush=True)


def checkpoint(context: PartitionContext) -> None:
    event = _last.pop(context.partition_id, None)
    if event is not None:
        context.update_checkpoint(event)
        say("checkpoint", context.partition_id, event.sequence_number)


def on_event(context: PartitionContext, event: EventData | None) -> None:
    if event is None or _stopping.is_set():
        return
    partition = context.partition_id
    say("event", partition, event.sequence_number, event.body_as_str())
    _last[partition] = event
    _handled[partition] = _handled.get(partition, 0) + 1
    if _handled[partition] % _EVERY == 0:
        checkpoint(context)


def on_partition_close(context: PartitionContext, reason: CloseReason) -> None:
    checkpoint(context)


def on_error(context: PartitionContext | None, error: Exception) -> None:
    print(f"error in partition {context and context.partition_id}: {error}", file=sys.stderr, flush=True)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    store = BlobCheckpointStore.from_connection_string(
        os.environ["BLOB_CONNECTION_STRING"], os.environ["BLOB_CONTAINER"]
    )
    client = EventHubConsumerClient.from_connection_string(
        os.environ["HUB_CONNECTION_STRING"],
        os.environ["CONSUMER_GROUP"],
        custom_endpoint_address=f"sb://{os.environ['HUB_ENDPOINT']}",
        connection_verify=os.environ["HUB_CA_FILE"],
        checkpoint_store=store,
        load_balancing_interval=float(os.environ["CLAIM_SECONDS"]),
        partition_ownership_expiration_interval=float(os.environ["OWNERSHIP_SECONDS"]),
    )

    def receive() -> None:
        client.receive(
            on_event=on_event,
            on_partition_close=on_partition_close,
            on_error=on_error,
            starting_position="-1",
            # One partition is asked after the other, and each keeps the others waiting for so long.
            max_wait_time=0.1,
        )

    receiving = threading.Thread(target=receive)
    receiving.start()
    signal.sigwait({signal.SIGTERM})
    _stopping.set()
    client.close()
    receiving.join()
    say("stopped")


if __name__ == "__main__":
    main()
