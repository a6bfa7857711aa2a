"""Format `auto`: each record's first bytes and keys show how it was written. Pure.

A frame of a Schema Registry begins with a zero byte, which no JSON text does; an envelope of Kafka Connect is an object
of only schema and payload, which no command is.
"""

from ingest.sink.commands.formats.connect_avro import ConnectAvro, is_frame
from ingest.sink.commands.formats.connect_json import ConnectJson, is_envelope
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.formats.json_object import JsonObject, object_of


class Auto:
    reads_headers = True

    def __init__(self, text: JsonObject, connect_json: ConnectJson, frame: ConnectAvro) -> None:
        self.reads_plain = text.reads_plain
        self._text = text
        self._connect_json = connect_json
        self._frame = frame

    def read(self, value: bytes) -> Fields:
        if is_frame(value):
            return self._frame.read(value)
        found = object_of(value)
        return self._connect_json.payload_of(found) if is_envelope(found) else self._text.fields_of(found)
