from collections.abc import Sequence

from ingest.kafka.records import Records
from ingest.source.events.received import Received
from ingest.source.formats.contract import Record

class CoreEncoder:
    @property
    def held_bytes(self) -> int:
        """Of the buffer between two batches."""
    def encode(self, event: Received) -> Record: ...
    def encode_all(self, events: Sequence[Received]) -> Records: ...
