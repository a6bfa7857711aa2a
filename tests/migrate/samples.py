"""Files of the old connector that are right, as properties."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ingest.migrate.connect_files import SavedAt, translate
from ingest.migrate.translation import Translation

WORKER: Mapping[str, str] = {
    "bootstrap.servers": "kafka1:9092,kafka2:9092",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    "offset.storage.file.filename": "/tmp/connect.offsets",
}
SOURCE: Mapping[str, str] = {
    "connector.class": "com.microsoft.azure.iot.kafka.connect.source.IotHubSourceConnector",
    "name": "AzureIotHubConnector",
    "tasks.max": "1",
    "Kafka.Topic": "iotin",
    "IotHub.EventHubCompatibleName": "hub",
    "IotHub.EventHubCompatibleEndpoint": "sb://ns.servicebus.windows.net/",
    "IotHub.AccessKeyName": "service",
    "IotHub.AccessKeyValue": "a2V5",
    "IotHub.Partitions": "4",
}
SINK: Mapping[str, str] = {
    "connector.class": "com.microsoft.azure.iot.kafka.connect.sink.IotHubSinkConnector",
    "name": "AzureIotHubSinkConnector",
    "tasks.max": "1",
    "topics": "iotout",
    "IotHub.ConnectionString": "HostName=h;SharedAccessKeyName=service;SharedAccessKey=a2V5",
}


def changed(properties: Mapping[str, str], by: Mapping[str, str | None]) -> dict[str, str]:
    """The properties with others in their place; None leaves one out."""
    return {name: value for name, value in {**properties, **by}.items() if value is not None}


def translated(*connectors: Mapping[str, str], worker: Mapping[str, str] = WORKER) -> tuple[Translation, SavedAt]:
    """Of files that are named `worker`, `source` and `sink`."""
    named = [
        ("source" if "Kafka.Topic" in each or "Source" in each["connector.class"] else "sink", each)
        for each in connectors
    ]
    return translate(("worker", worker), named)


def values(translation: Translation) -> dict[str, object]:
    """Dotted key → value."""
    return {".".join(setting.name): setting.value for setting in translation.settings}


def complaints(translation: Translation) -> dict[str, str]:
    """`file: property` → what is to be done."""
    return {problem.key: problem.fix for _, problem in translation.problems}


EVENT_HUB = "iothub-ehub-myhub08-207673-d44b2a856e"
"""Of the offset files."""
OFFSETS = Path(__file__).parent.parent / "vectors" / "offsets-0.10.2.1.bin"


def write(path: Path, properties: Mapping[str, str]) -> Path:
    """As a file of properties."""
    lines = [f"{name}={value}" for name, value in properties.items()]
    path.write_text("\n".join(lines).replace("\\", "\\\\"))
    return path


def write_files_of_the_old_connector(folder: Path) -> list[Path]:
    """The worker's file, the source's, the sink's; and the worker's offset file, which has positions of the source."""
    shutil.copy(OFFSETS, folder / "connect.offsets")
    return [
        write(folder / f"{name}.properties", properties)
        for name, properties in {
            "connect-standalone": {**WORKER, "offset.storage.file.filename": str(folder / "connect.offsets")},
            "connect-iothub-source": {**SOURCE, "IotHub.EventHubCompatibleName": EVENT_HUB},
            "connect-iothub-sink": SINK,
        }.items()
    ]
