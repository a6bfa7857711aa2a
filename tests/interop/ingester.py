"""`ingest source` as a reader of the hub: what it has handled is what an independent consumer finds in Kafka."""

import json
from collections.abc import Callable
from itertools import islice

from confluent_kafka import Message

from tests.faults.source_process import SourceProcess
from tests.faults.stock_store import StockStore
from tests.faults.telemetry import Topic
from tests.faults.waiting import wait_until
from tests.interop.reader import Event, Positions


class Ingester:
    """A `Reader`: one run of the source process into `topic`, which is read to its end whenever a run ends."""

    name = "ingest"

    def __init__(self, process: SourceProcess, topic: Topic, store: StockStore) -> None:
        self._process = process
        self._topic = topic
        self._store = store
        self._begins_at = len(topic.letters)

    def start(self) -> None:
        self._process.start()

    def seen(self) -> list[Event]:
        self._topic.read_more(0)
        return [_event(record) for record in islice(self._topic.letters, self._begins_at, None)]

    def positions(self) -> Positions:
        # It writes two blobs where a client that keeps the case of names has left one: SIGKILL may come between.
        return self._store.lowest_sequence_numbers()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        wait_until(ready, lambda: "\n".join(self._process.messages()[-20:]))

    def stop(self) -> None:
        assert self._process.close() == 0, self._process.messages()[-20:]
        self._topic.read_to_end()

    def kill(self) -> None:
        self._process.kill()
        self._topic.read_to_end()


def _event(record: Message) -> Event:
    fields = json.loads(record.value() or b"")
    return Event(fields["partition"], fields["sequenceNumber"], fields["content"])
