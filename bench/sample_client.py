"""The loop of Microsoft's documentation, with Kafka at its end: the baseline that the source is compared with.

`python -m bench.sample_client EVENT_HUB_CONNECTION_STRING KAFKA TOPIC [ADDRESS CA_FILE]` prints a line before it
receives. The last two are for TLS on a port and with a CA that are not the usual ones. Source of the loop: "Send events to
or receive events from event hubs by using Python", Microsoft Learn. Its checkpoints go to memory here, which favours it:
the documented store makes an HTTP request for each.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from azure.eventhub import CheckpointStore, EventData, EventHubConsumerClient, PartitionContext
from confluent_kafka import KafkaError, Message, Producer


class MemoryStore(CheckpointStore):
    def __init__(self) -> None:
        self.checkpoints: dict[str, dict[str, Any]] = {}

    def list_ownership(self, *_: Any, **__: Any) -> Iterable[dict[str, Any]]:
        return []

    def claim_ownership(self, ownership_list: Iterable[dict[str, Any]], **_: Any) -> Iterable[dict[str, Any]]:
        return ownership_list

    def update_checkpoint(self, checkpoint: dict[str, Any], **_: Any) -> None:
        self.checkpoints[checkpoint["partition_id"]] = checkpoint

    def list_checkpoints(self, *_: Any, **__: Any) -> Iterable[dict[str, Any]]:
        return self.checkpoints.values()


def main(event_hub: str, bootstrap: str, topic: str, *tls: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            print(error, file=sys.stderr)

    def on_event_batch(context: PartitionContext, events: list[EventData]) -> None:
        for event in events:
            system = {name.decode(): _text(value) for name, value in event.system_properties.items()}
            value = {
                "deviceId": system["iothub-connection-device-id"],
                "offset": event.offset,
                "sequenceNumber": event.sequence_number,
                "enqueuedTime": event.enqueued_time.isoformat() if event.enqueued_time else None,
                "content": event.body_as_str(),
                "systemProperties": system,
                "properties": {_text(name): _text(value) for name, value in event.properties.items()},
            }
            producer.produce(topic, json.dumps(value), value["deviceId"], on_delivery=delivered)
            producer.poll(0)
        context.update_checkpoint()

    options: dict[str, Any] = dict(zip(("custom_endpoint_address", "connection_verify"), tls, strict=False))
    client = EventHubConsumerClient.from_connection_string(
        event_hub, "$Default", checkpoint_store=MemoryStore(), **options
    )
    print("receiving", flush=True)
    with client:
        client.receive_batch(on_event_batch, partition_id="0", starting_position="-1")


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
