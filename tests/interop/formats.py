"""`python -m tests.interop.formats`: mixed events through the whole source in each format of the old connector, onto Apache
Kafka, and read there by its consumers. Prints counts; exit code 1 if anything differs or is not there once."""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from ingest.emulator import Emulator
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Topic
from tests.faults.waiting import wait_until
from tests.interop.connects_converters import converted
from tests.interop.mixed_events import NUMBER, Sent, events, send
from tests.services.kafka import KafkaCluster
from tests.services.registry import SchemaRegistry

READ_BY: Final[Mapping[str, str]] = {
    "connect-string": "Connect's StringConverter",
    "connect-json": "Connect's JsonConverter",
    "connect-json-schema": "Connect's JsonConverter with schemas",
    "connect-avro": "confluent-kafka's AvroDeserializer",
}
_NUMBER: Final = re.compile(rf",properties=\{{{NUMBER}=(\d+)")


def moved(form: str, hub: Emulator, kafka: KafkaCluster, registry: str, count: int, folder: Path) -> Topic:
    """A topic with what the source made of all events of the hub; the caller closes it."""
    topic = Topic(kafka.bootstrap)
    folder.mkdir()
    with SourceProcess(folder) as source:
        basic = basic_config(folder, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
        write_config(source.config, basic, {"source": {"format": form}, "kafka.schema_registry": {"url": registry}})
        source.start()
        wait_until(lambda: arrived(topic) >= count, lambda: source.story(f"{len(topic.letters)} of {count} records"))
        assert source.close() == 0, source.story("it did not end well")
    topic.read_to_end()
    return topic


def arrived(topic: Topic) -> int:
    """How many records are there; waits a little for more."""
    topic.read_more(0.2)
    return len(topic.letters)


def read(form: str, topic: Topic, registry: str) -> list[Any]:
    """What the consumer of the format makes of each record."""
    values = [record.value() or b"" for record in topic.letters]
    if form != "connect-avro":
        return converted(form, values)
    context = SerializationContext(topic.name, MessageField.VALUE)
    with SchemaRegistryClient({"url": registry}) as client:
        deserialize = AvroDeserializer(client)
        return [deserialize(value, context) for value in values]


def compared(form: str, found: Sequence[Any], sent: Sequence[Sent]) -> tuple[int, int]:
    """How many records say anything else than their event, and how many events are not there exactly once."""
    text = form == "connect-string"
    seen: Counter[int] = Counter()
    different = 0
    for each in found:
        match = _NUMBER.search(each) if text else None
        number = int(match[1]) if match else -1 if text else int(each["properties"].get(NUMBER, -1))
        seen[number] += 1
        same: Callable[[Any], bool] = sent[number].is_read_from_text if text else sent[number].is_read_from
        different += number < 0 or not same(each)
    return different, sum(seen[number] != 1 for number in range(len(sent)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.formats", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, metavar="N", help="of each format (default: 10000)")
    count = parser.parse_args().events
    sent = list(events(count))
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        KafkaCluster() as kafka,
        SchemaRegistry() as registry,
        Emulator(partitions=4) as hub,
    ):
        for each in sent:
            send(hub, each)
        for form, reader in READ_BY.items():
            topic = moved(form, hub, kafka, registry.url, count, Path(folder, form))
            different, not_once = compared(form, read(form, topic, registry.url), sent)
            topic.close()
            print(
                f"{form:<20} {count} events, {len(topic.letters)} records read by {reader}: {different} differ, "
                f"{not_once} are not there once",
                flush=True,
            )
            wrong += different + not_once
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
