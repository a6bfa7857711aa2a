"""Format `connect-avro`: Avro with a Schema Registry, a zero byte, the schema's id and the body."""

from ingest.errors import Undeliverable
from ingest.sink.commands.foreign import foreign_bytes
from ingest.sink.commands.formats.contract import Fields


class ConnectAvro:
    """Without a registry every record is refused by the name of what it is."""

    reads_headers = False

    def read(self, value: bytes) -> Fields:
        what = foreign_bytes(value) or "no frame of a Schema Registry"
        raise Undeliverable("malformed", f"The record is {what}.")
