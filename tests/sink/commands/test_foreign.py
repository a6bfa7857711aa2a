"""Envelopes and frames by name: what other systems write into a command topic."""

import base64
import gzip
import io
import json
import lzma
import uuid
import zipfile
import zlib

import pytest

from ingest.errors import Undeliverable
from ingest.sink.commands.record_layout import read

COMMAND = {"deviceId": "d1", "message": "on"}
TEXT = json.dumps(COMMAND)
GUID = uuid.UUID("7f3c0b52-1111-4222-8333-944455566677")


def zipped() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("command.json", TEXT)
    return kept.getvalue()


def sentence(value: bytes) -> str:
    with pytest.raises(Undeliverable) as caught:
        read(value, ())
    assert caught.value.reason == "malformed"
    assert len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"\0\0\0\0\x2a\x04d1\x04on", "a Schema Registry frame (Avro, Protobuf or JSON Schema), schema id 42"),
        (
            b"\0\xff\xff\xff\xff\0\x0a\x02d1",
            "a Schema Registry frame (Avro, Protobuf or JSON Schema), schema id 4294967295",
        ),
        (b"\0\0\0\0\x07" + TEXT.encode(), "a Schema Registry frame (JSON Schema), schema id 7"),
        (b"\0\0\0\0\x07", "a Schema Registry frame"),
        (
            b"\x01" + GUID.bytes + b"\x04d1",
            f"a Schema Registry frame (Avro, Protobuf or JSON Schema), schema GUID {GUID}",
        ),
        (b"\x03\0" + GUID.bytes + b"\x04d1", f"a Glue Schema Registry frame, schema version {GUID}"),
        (b"\0\0\0\0" + GUID.hex.encode() + b"\x04d1", f"an Azure Schema Registry frame (Avro), schema id {GUID.hex}"),
        (gzip.compress(TEXT.encode(), mtime=0), "gzip data"),
        (zlib.compress(TEXT.encode()), "zlib data"),
        (lzma.compress(TEXT.encode()), "xz data"),
        (zipped(), "a ZIP archive"),
        (b"\x28\xb5\x2f\xfd\x04", "Zstandard data"),
        (b"\x82SNAPPY\0\0", "Snappy data"),
        (b"Obj\x01\x04", "an Avro file"),
        (b"\xac\xed\0\x05t", "a serialized Java object"),
        (b"<command/>", "XML"),
        (base64.b64encode(TEXT.encode()), "JSON in Base64"),
        (b"Struct{deviceId=d1,message=on}", "a Kafka Connect struct as text"),
        (TEXT.encode("utf-16"), "text in UTF-16"),
        (TEXT.encode("utf-16-le"), "text in UTF-16"),
        (TEXT.encode("utf-16-be"), "text in UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "text in UTF-16"),
        (TEXT.encode("utf-32"), "text in UTF-32"),
        (TEXT.encode("latin-1").replace(b"on", b"\xe9"), "not JSON in UTF-8"),
        (f"[{TEXT}]".encode(), "a JSON array, but each command is a record of its own"),
        (json.dumps(TEXT).encode(), "a JSON string that holds JSON, so it was encoded twice"),
        (b'"Turn On"', "a JSON string"),
        (f"{TEXT}\n{TEXT}".encode(), "write one record for each command"),
        (b"\0", "not JSON"),
        (b"\x01\x02", "not JSON"),
        (b"\x03\0", "not JSON"),
        (b"{'deviceId':'d1'}", "a name in double quotes, and a colon, are missing at character 1"),
    ],
)
def test_frames_are_named(value: bytes, named: str) -> None:
    assert named in sentence(value)


@pytest.mark.parametrize(
    ("envelope", "named"),
    [
        ({"schema": {"type": "struct", "fields": []}, "payload": COMMAND}, "a Kafka Connect envelope"),
        ({"schema": None, "payload": COMMAND}, "a Kafka Connect envelope"),
        ({"payload": TEXT, "schema": {"type": "string"}}, "a Kafka Connect envelope"),
        (
            {"specversion": "1.0", "type": "set", "source": "/plant", "id": "1", "data": COMMAND},
            "a CloudEvents envelope",
        ),
        ({"before": None, "after": COMMAND, "op": "c", "ts_ms": 1, "source": {}}, "a Debezium change event"),
        ({"id": "1", "eventType": "set", "subject": "s", "data": COMMAND, "dataVersion": "1"}, "an Event Grid event"),
        ({"offset": "1", "sequenceNumber": 1, "enqueuedTime": "t", "content": "{}"}, "telemetry"),
    ],
)
def test_envelopes_are_named(envelope: dict[str, object], named: str) -> None:
    assert named in sentence(json.dumps(envelope).encode())


def test_a_command_with_keys_of_an_envelope_is_a_command() -> None:
    assert read(json.dumps({**COMMAND, "schema": 1, "payload": 2, "specversion": "1.0"}).encode(), ()).device_id == "d1"


def test_with_a_header_any_bytes_are_the_body() -> None:
    assert read(b"\0\0\0\0\x2a\x04on", [("deviceId", b"d1")]).body == b"\0\0\0\0\x2a\x04on"
