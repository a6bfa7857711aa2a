"""Whether partitions of the event hub are free or taken, looked at without taking them.

A reader without owner level never displaces another: beside readers of its own kind it is let in, and one with an owner
level (which every ingest has) makes the hub refuse it in words that tell that level ("Epoch" in "Features and
terminology in Azure Event Hubs", Microsoft Learn). Nothing is received: the link is closed as soon as it is up.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest.config import Config

SAMPLE = 8
"""Partitions looked at; each costs a connection."""
_ANSWER_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to read a partition."""

    partition: str
    reason: str
    """"" when the hub let us in; else why not, as of `ingest.hub.link_errors.LinkEnded`, or "silent"."""
    words: str = ""
    """The hub's own."""


def try_to_read(config: Config, partitions: Sequence[str]) -> list[Attempt]:
    """Attaches to every partition, side by side, as a reader without owner level, and leaves; some 4 s at most."""
    found: dict[str, Attempt] = {}
    threads = [
        threading.Thread(target=lambda each=each: found.update({each: _try(config, each)}), daemon=True)
        for each in partitions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * _ANSWER_SECONDS)
    return [found.get(each, Attempt(each, "silent")) for each in partitions]


def _try(config: Config, partition: str) -> Attempt:
    from ingest.hub import event_hubs
    from ingest.hub.link_errors import link_ended
    from ingest.hub.network.eventhub_client import RoutedTransport

    answered = threading.Event()
    answer: list[Attempt] = []

    def tell(attempt: Attempt) -> None:
        answer.append(attempt)
        answered.set()

    def failed(error: Exception) -> None:
        ended = link_ended(error)
        tell(Attempt(partition, ended.reason, str(ended)))

    class Telling(RoutedTransport):
        """The client keeps a refused attach to itself and tries again for ever; this makes it end with the reason."""

        @staticmethod
        def check_link_stolen(_: Any, exception: Exception) -> None:
            raise exception

        def create_receive_client(self, **options: Any) -> Any:  # type: ignore[override]
            return super().create_receive_client(
                on_attach=lambda _: tell(Attempt(partition, "")), **{**options, "keep_alive_interval": 0}
            )

    # The interval's only use is to end the client's housekeeping thread soon after `close`.
    client = event_hubs.client(config, amqp_transport=Telling(*event_hubs.way(config)), load_balancing_interval=0.2)
    # The client would ask for all partitions over another connection first.
    client.get_partition_ids = lambda: [partition]  # type: ignore[method-assign]

    def read() -> None:
        try:
            client.receive_batch(
                on_event_batch=lambda *_: None,
                on_error=lambda _, error: failed(error),
                partition_id=partition,
                starting_position="@latest",
                prefetch=1,
            )
        except Exception as error:
            failed(error)

    reading = threading.Thread(target=read, name=f"look-{partition}", daemon=True)
    reading.start()
    answered.wait(_ANSWER_SECONDS)
    client.close()
    reading.join(1.0)
    return answer[0] if answer else Attempt(partition, "silent")
