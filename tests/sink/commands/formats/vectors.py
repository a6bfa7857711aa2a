"""What the old Kafka Connect connector made of a record, measured, and where ours does something else on purpose."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).parents[3] / "vectors" / "sink.json"


class Vector(NamedTuple):
    """One record. `command` is None where the old task died."""

    name: str
    converter: str
    value: bytes | None
    schema: str
    """Avro alone."""
    command: dict[str, object] | None
    amqp: bytes | None


def vectors() -> Iterator[Vector]:
    """All that have a record; the others show the words of `iothub-ack`."""
    for each in json.loads(FILE.read_text(encoding="ascii")):
        if "converter" in each:
            written = each.get("payload", each.get("value"))
            yield Vector(
                each["name"],
                each["converter"],
                None if written is None else b64decode(written),
                each.get("schema", ""),
                None if "send_error" in each else each.get("command"),
                b64decode(each["amqp"]) if "amqp" in each else None,
            )


REFUSED: Final = {
    "text_device_null": "invalid_device_id",
    "text_device_empty": "invalid_device_id",
    "text_not_utf8": "malformed",
}
"""Sent there, a dead letter here, whatever `sink.lenient_expiry` says → its reason."""

AS_WRITTEN: Final = {
    "text_message_double": "1.50",
    "text_message_double_exp": "1e2",
    "text_message_double_big": "1.0e30",
}
"""A number as message goes out as it was written, there as Java writes a double."""

CARRIED: Final = {
    "text_message_null": "null",
    "text_message_object": '{"on":true}',
    "text_message_array": "[1]",
    "struct_expiry_minutes": "Turn on",
    "struct_expiry_space": "Turn on",
    "struct_payload_missing_field": "Turn on",
    "struct_payload_number": "5",
    "struct_schema_missing_field": "Turn on",
    "schemaless_object": "Turn on",
    "avro_message_bytes": "\x01",
    "struct_schema_int_message_id": "x",
    "avro_message_id_int": "x",
}
"""The old task died; ours sends this message. All others of its deaths are dead letters here."""

ONLY_AUTO: Final = ("text_envelope_under_string_converter", "struct_no_envelope", "schemaless_envelope")
"""The old task died, and so does the format of its converter; `auto` sees what it is."""

EXPIRY: Final[dict[str, int | str]] = {
    "text_expiry_instead_of_expiryTime": 1893456000000,
    "text_expiryTime_micros": 1893553445678,
    "text_expiryTime_lower_z": 1893553445000,
    "text_expiryTime_lower_t": 1893553445000,
    "text_expiryTime_offset": 1893549845000,
    "text_expiryTime_offset_zero": 1893553445000,
    "text_expiryTime_year_10000": 253402300800000,
    "struct_expiryTime_field": 1893553445000,
    "avro_expiryTime": 1893553445000,
    "text_expiryTime_no_z": "invalid_expiry",
    "text_expiryTime_date": "invalid_expiry",
    "text_expiryTime_empty": "invalid_expiry",
    "text_expiryTime_month_13": "invalid_expiry",
    "text_expiryTime_day_30_feb": "invalid_expiry",
    "text_expiryTime_number_ms": "invalid_expiry",
    "text_expiryTime_float": "invalid_expiry",
    "struct_expiry_number": "invalid_expiry",
    "struct_expiry_float": "invalid_expiry",
    "struct_expiry_bool": "invalid_expiry",
    "struct_expiry_object": "invalid_expiry",
}
"""Sent without an expiry there, or with another one; here with this one, or a dead letter. The same as there with
`sink.lenient_expiry`."""
