"""What the hub says of itself, asked of the emulator."""

import time
from dataclasses import replace

import pytest

from ingest.config import Hub, Secret
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.hub import event_hubs
from ingest.hub.position import BEFORE_FIRST, Position
from tests.source.readers import configured, fill


def test_the_hub_tells_its_partitions_and_where_it_stands(emulator: Emulator) -> None:
    config = configured(emulator, "fast")
    assert event_hubs.partition_ids(config) == ["0"]
    assert event_hubs.describe(config).created_ms == emulator.hub.created_ms
    never = event_hubs.standing(config, "0")
    assert (never.oldest, never.newest, never.empty, never.created_ms) == (0, -1, True, None)
    assert never.position == BEFORE_FIRST
    fill(emulator, 4)
    told = event_hubs.standing(config, "0", created=True)
    assert (told.oldest, told.newest, told.empty, told.created_ms) == (0, 3, False, emulator.hub.created_ms)
    assert abs(told.newest_ms / 1000 - time.time()) < 60
    emulator.faults.expire()
    expired = event_hubs.standing(config, "0")
    assert (expired.oldest, expired.newest, expired.empty) == (4, 3, True)
    assert expired.position == told.position == Position(told.newest_offset, 3)


def test_questions_are_refused_in_the_service_s_words(emulator: Emulator) -> None:
    config = configured(emulator, "fast")
    text = config.hub.event_hub_connection_string.reveal()
    wrong_hub = replace(
        config, hub=Hub(event_hub_connection_string=Secret(text.replace("EntityPath=", "EntityPath=no-")))
    )
    with pytest.raises(Refused, match="amqp:not-found: "):
        event_hubs.partition_ids(wrong_hub)
    key = text.partition("SharedAccessKey=")[2].partition(";")[0]
    wrong_key = replace(config, hub=Hub(event_hub_connection_string=Secret(text.replace(key, key[::-1]))))
    with pytest.raises(Refused, match="amqp:unauthorized-access: ") as refused:
        event_hubs.partition_ids(wrong_key)
    assert key[::-1] not in str(refused.value)
