"""Records as the old Kafka Connect connector read them, in the format of their converter and in `auto`."""

import pytest

from ingest.amqp.message import Data, decode_message
from ingest.errors import Undeliverable
from ingest.sink.commands.command import Command, Origin, parse
from ingest.sink.commands.formats import format_named
from tests.sink.commands.formats.avro_schemas import Registered, frame
from tests.sink.commands.formats.vectors import (
    AS_WRITTEN,
    CARRIED,
    EXPIRY,
    ONLY_AUTO,
    REFUSED,
    Vector,
    vectors,
)

ORIGIN = Origin("iotout", 3, 42)
LONG_AGO_MS = -(10**14)
"""The clock of a sink for which none of the expiries has come."""
FORMATS = {"string": "json", "json": "json", "json_schemas": "connect-json-schema", "avro": "connect-avro"}

NUMBER = 0x01020304

RECORDS = list(vectors())
each = pytest.mark.parametrize("vector", RECORDS, ids=[vector.name for vector in RECORDS])


def read(vector: Vector, name: str, *, lenient: bool) -> Command | str | None:
    """The command, None for a tombstone, or the reason of the dead letter."""
    try:
        form = format_named(name, lenient_expiry=lenient, schemas=Registered({NUMBER: vector.schema}))
        value = vector.value if not vector.schema or vector.value is None else frame(NUMBER, vector.value)
        return parse(value, None, ORIGIN, now_ms=LONG_AGO_MS, form=form)
    except Undeliverable as why:
        return why.reason


def check(vector: Vector, found: Command | str | None, *, lenient: bool, auto: bool) -> None:
    there = vector.command
    if there is None:
        carried = CARRIED.get(vector.name, "Turn on" if auto and vector.name in ONLY_AUTO else None)
        if carried is not None:
            assert isinstance(found, Command)
            assert found.body == carried.encode()
        else:
            assert found is None if vector.value is None else isinstance(found, str)
        return
    expiry = there["expiry_ms"] if lenient else EXPIRY.get(vector.name, there["expiry_ms"])
    refused = REFUSED.get(vector.name, expiry if isinstance(expiry, str) else None)
    if refused is not None:
        assert found == refused
        return
    assert isinstance(found, Command)
    assert found.device_id == there["deviceId"]
    assert found.message_id == (there["messageId"] or "iotout-3-42")
    assert found.body.decode() == AS_WRITTEN.get(vector.name, there["message"])
    assert found.expiry_ms == expiry
    assert vector.amqp is not None
    on_the_wire = decode_message(vector.amqp)
    assert on_the_wire.properties is not None
    assert found.to == on_the_wire.properties.to
    if lenient and vector.name not in AS_WRITTEN:
        assert found.expiry_ms == on_the_wire.properties.absolute_expiry_time
        assert Data((found.body,)) == on_the_wire.body


@each
@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize("auto", [False, True], ids=["named", "auto"])
def test_a_record_is_read_as_the_old_connector_read_it(vector: Vector, *, lenient: bool, auto: bool) -> None:
    name = "auto" if auto else FORMATS[vector.converter]
    check(vector, read(vector, name, lenient=lenient), lenient=lenient, auto=auto)


def test_no_difference_is_listed_in_vain() -> None:
    names = {vector.name for vector in vectors()}
    for listed in (REFUSED, AS_WRITTEN, CARRIED, ONLY_AUTO, EXPIRY):
        assert set(listed) <= names


def test_how_many_records_are_read() -> None:
    """The counts that the pages give."""
    sent = sum(vector.command is not None for vector in RECORDS)
    differ = len(REFUSED) + len(AS_WRITTEN)
    print(f"{len(RECORDS)} records: {sent} sent by the old connector, {differ} of them otherwise with lenient_expiry")
    assert (len(RECORDS), sent) == (107, 59)
