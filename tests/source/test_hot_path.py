"""Which code makes the records, and whether they have keys."""

import pytest

from ingest.config import Config, Source
from ingest.source.formats import FORMATS
from ingest.source.hot_path import WHY_PYTHON, decoder_in_use, decoder_of, encoder_of, sentence
from tests.source import messages


@pytest.mark.parametrize("record_format", FORMATS)
def test_records_without_keys_differ_in_nothing_else(record_format: str) -> None:
    decoder = decoder_of(record_format)
    payloads = [messages.usual(number) for number in range(3)]
    events = [decoder.decode(payload, 0, len(payload)) for payload in payloads]
    wanted = [(None, *record[1:]) for record in encoder_of(record_format, "0").encode_all(events)]
    keyless = encoder_of(record_format, "0", has_keys=False)
    assert [tuple(record) for record in keyless.encode_all(events)] == wanted
    assert [tuple(keyless.encode(event)) for event in events] == wanted


@pytest.mark.parametrize("record_format", FORMATS)
def test_the_formats_of_the_old_connector_have_no_keys_unless_told(record_format: str) -> None:
    def has_keys(key: str) -> bool:
        return Config(source=Source(format=record_format, key=key)).source.has_keys  # type: ignore[arg-type]

    assert has_keys("auto") == (not record_format.startswith("connect-"))
    assert has_keys("device_id")
    assert not has_keys("none")


@pytest.mark.parametrize("record_format", FORMATS)
def test_it_is_said_which_code_makes_the_events(record_format: str) -> None:
    compiled = decoder_in_use(record_format, "fast") == "compiled"
    assert ("by the compiled core" in sentence(record_format)) == compiled
    assert compiled or WHY_PYTHON or f"source.format is {record_format}" in sentence(record_format)
