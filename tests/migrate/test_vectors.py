"""What the old connector and its worker did with files, by their own classes: every vector, against ours."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingest.config.connection_strings import event_hub
from ingest.config.values import Secret
from ingest.instants import nanoseconds
from ingest.migrate import java_properties
from ingest.migrate.java_map import read_pairs
from ingest.migrate.java_values import trimmed
from ingest.migrate.positions import Entry, Owner, positions
from tests.migrate.samples import SINK, SOURCE, changed, complaints, translated, values

VECTORS = Path(__file__).parent.parent / "vectors"
CONFIG: list[dict[str, Any]] = json.loads((VECTORS / "config.json").read_bytes())
PROPERTIES: list[dict[str, Any]] = json.loads((VECTORS / "properties.json").read_bytes())
HUB = "iothub-ehub-myhub08-207673-d44b2a856e"
POSITIONS = {"0": "4294967296", "1": "1024", "2": "-1", "3": "1:4295:8589934592"}

NOT_TAKEN_HERE = (
    {"IotHub.EventHubCompatibleEndpoint": ""},
    {"IotHub.EventHubCompatibleEndpoint": "PLACEHOLDER"},
    {"IotHub.EventHubCompatibleEndpoint": "ns.servicebus.windows.net"},
    {"IotHub.AccessKeyName": ""},
    {"Kafka.Topic": ""},
    {"IotHub.ConsumerGroup": ""},
    {"IotHub.Offsets": "PLACEHOLDER"},
    {"IotHub.Offsets": "'1','2'"},
    {"IotHub.StartTime": "PLACEHOLDER"},
    {"IotHub.ConnectionString": ""},
)
"""What the old connector took, and then could not work with, or passed over without a word."""


def test_the_vectors_are_all_there() -> None:
    assert (len(CONFIG), len(PROPERTIES)) == (50, 25)


@pytest.mark.parametrize("vector", [pytest.param(each, id=str(number)) for number, each in enumerate(PROPERTIES)])
def test_a_file_of_properties(vector: dict[str, Any]) -> None:
    assert java_properties.parse(base64.b64decode(vector["file"])) == vector["properties"]


@pytest.mark.parametrize(
    "vector", [pytest.param(each, id=str(each["changed"])) for each in CONFIG if each.get("connector") == "source"]
)
def test_properties_of_the_source(vector: dict[str, Any]) -> None:
    change = {"tasks.max": str(vector["tasks.max"]), **vector["changed"]}
    translation, _ = translated(changed(SOURCE, change))
    if "error" in vector or vector["changed"] in NOT_TAKEN_HERE:
        assert complaints(translation).keys() == {f"source: {name}" for name in vector["changed"]}
        return
    assert complaints(translation) == {}
    found, tasks = values(translation), vector["tasks"]
    assert found["source.topic"] == tasks[0]["Kafka.Topic"]
    assert found.get("source.consumer_group", "$Default") == tasks[0]["IotHub.ConsumerGroup"]
    secret = found["hub.event_hub_connection_string"]
    assert isinstance(secret, Secret)
    theirs = tasks[0]["IotHub.EventHubCompatibleConnectionString"]
    assert event_hub(secret.reveal()) == event_hub(theirs)
    assert (
        secret.reveal().partition("SharedAccessKey=")[2].partition(";")[0]
        == re.findall("SharedAccessKey=(.*)", theirs)[0]
    )
    starts = {partition: at for task in tasks for partition, at in json.loads(task["TaskPartitions"]).items()}
    assert {f"source.start.{partition}": at for partition, at in starts.items() if at != "-1"} == {
        key: value for key, value in found.items() if key.startswith("source.start.")
    }


@pytest.mark.parametrize(
    "vector", [pytest.param(each, id=str(each["changed"])) for each in CONFIG if each.get("connector") == "sink"]
)
def test_properties_of_the_sink(vector: dict[str, Any]) -> None:
    translation, _ = translated(changed(SINK, vector["changed"]))
    if "error" in vector or vector["changed"] in NOT_TAKEN_HERE:
        assert complaints(translation).keys() == {f"sink: {name}" for name in vector["changed"]}
        return
    assert complaints(translation) == {}
    found, task = values(translation), vector["tasks"][0]
    words = {"None": "none", "Full": "full", "PositiveOnly": "positive", "NegativeOnly": "negative"}
    assert found.get("sink.ack", "none") == words[task["IotHub.MessageDeliveryAcknowledgement"]]
    assert found["hub.iot_hub_connection_string"] == Secret(task["IotHub.ConnectionString"])


@pytest.mark.parametrize("vector", [pytest.param(each, id=each["StartTime"]) for each in CONFIG if "StartTime" in each])
def test_start_times(vector: dict[str, Any]) -> None:
    found = nanoseconds(trimmed(vector["StartTime"]))
    if vector.get("ignored"):
        assert found is None
    else:
        assert found == vector["epoch_ms"] * 1_000_000


@pytest.mark.parametrize("name", ["offsets-0.10.2.1.bin", "offsets-4.4.0-schemas.bin"])
def test_an_offset_file(name: str) -> None:
    entries = [Entry(*pair) for pair in read_pairs((VECTORS / name).read_bytes())]
    assert len(entries) == 4
    assert positions(entries, Owner("AzureIotHubConnector", HUB)).offsets == POSITIONS
    nothing = positions(entries, Owner("another", HUB))
    assert (dict(nothing.offsets), nothing.others) == ({}, (Owner("AzureIotHubConnector", HUB),))
