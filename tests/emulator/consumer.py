"""The stock azure-eventhub client, collecting what it gets."""

import threading
from types import TracebackType
from typing import Any, Self

from azure.eventhub import EventData, EventHubConsumerClient, PartitionContext

from ingest.emulator import Emulator

SECONDS = 20.0


def tls_arguments(emulator: Emulator) -> dict[str, Any]:
    """azure-eventhub ignores the port of an endpoint with TLS, unless it comes as the custom endpoint."""
    address = emulator.endpoints.amqps.replace("amqps://", "sb://")
    return {"custom_endpoint_address": address, "connection_verify": emulator.endpoints.ca_file}


def client(emulator: Emulator, **arguments: Any) -> EventHubConsumerClient:
    return EventHubConsumerClient.from_connection_string(
        emulator.endpoints.event_hub_connection_string, "$Default", **arguments
    )


class Consumer:
    """Receives in a thread from entering to leaving the `with` block."""

    def __init__(self, receiver: EventHubConsumerClient, **arguments: Any) -> None:
        self.events: list[EventData] = []
        self.errors: list[Exception] = []
        self.metrics: list[dict[str, Any] | None] = []
        self._client = receiver
        self._arguments: dict[str, Any] = {
            "starting_position": "-1",
            "prefetch": 3000,
            "max_wait_time": 0.5,
        } | arguments
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        def on_batch(context: PartitionContext, events: list[EventData]) -> None:
            with self._changed:
                self.events += events
                if events:
                    self.metrics.append(context.last_enqueued_event_properties)
                self._changed.notify_all()

        def on_error(context: PartitionContext | None, error: Exception) -> None:
            with self._changed:
                self.errors.append(error)
                self._changed.notify_all()

        self._client.receive_batch(on_batch, on_error=on_error, **self._arguments)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def wait(self, count: int) -> list[EventData]:
        """The events received, once there are `count` or more."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.events) >= count, SECONDS)
            assert done, f"{len(self.events)} of {count} events came, errors {self.errors}"
            return list(self.events)

    def wait_for_error(self) -> Exception:
        with self._changed:
            assert self._changed.wait_for(lambda: self.errors, SECONDS), "no error came"
            return self.errors[0]
