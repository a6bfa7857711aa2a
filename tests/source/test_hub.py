"""What the hub says of itself, asked of the emulator."""

from dataclasses import replace

import pytest

from ingest.config import Hub, Secret
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.source import hub
from tests.source.readers import configured, fill


def test_the_hub_tells_its_partitions_and_how_far_they_are(emulator: Emulator) -> None:
    config = configured(emulator, "fast")
    assert hub.partition_ids(config) == ["0"]
    assert hub.newest_sequence_number(config, "0")[0] == -1
    fill(emulator, 4)
    assert hub.newest_sequence_number(config, "0")[0] == 3


def test_questions_are_refused_in_the_service_s_words(emulator: Emulator) -> None:
    config = configured(emulator, "fast")
    text = config.hub.event_hub_connection_string.reveal()
    wrong_hub = replace(
        config, hub=Hub(event_hub_connection_string=Secret(text.replace("EntityPath=", "EntityPath=no-")))
    )
    with pytest.raises(Refused, match="amqp:not-found: "):
        hub.partition_ids(wrong_hub)
    key = text.partition("SharedAccessKey=")[2].partition(";")[0]
    wrong_key = replace(config, hub=Hub(event_hub_connection_string=Secret(text.replace(key, key[::-1]))))
    with pytest.raises(Refused, match="amqp:unauthorized-access: ") as refused:
        hub.partition_ids(wrong_key)
    assert key[::-1] not in str(refused.value)
