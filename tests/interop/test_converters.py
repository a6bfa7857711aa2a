"""Consumers of the old connector's records read ours: Connect's own converters in Java, and Confluent's client for Avro."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from ingest.config import SchemaRegistry as RegistryConfig
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.kafka.schema_registry import Registry
from ingest.source.formats.connect_avro import SCHEMA
from ingest.source.hot_path import decoder_of, encoder_of
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Topic
from tests.faults.waiting import wait_until
from tests.services import compiled
from tests.services.kafka import KafkaCluster
from tests.services.registry import SchemaRegistry
from tests.source import messages

pytestmark = pytest.mark.services
EVENTS = int(os.environ.get("CONVERTED_EVENTS", "2000"))
"""Of each format. By hand: CONVERTED_EVENTS=10000."""
FIELDS = (
    "deviceId",
    "offset",
    "contentType",
    "enqueuedTime",
    "sequenceNumber",
    "content",
    "systemProperties",
    "properties",
)
TEXTS = ("", "x", 'say "hi"', "C:\\dir", "a\nb\t\x01", "é 한국어", "\U0001f600 \U00010348", "{a=b, c=d}", "</script>")


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


def sent(number: int, random: Random) -> tuple[str, bytes, dict[str, object]]:
    """A device, its body and its properties."""
    properties: dict[str, object] = {f"p{place}": random.choice(TEXTS) for place in range(random.randrange(4))}
    if random.random() < 0.3:
        properties["contentType"] = "application/json"
    body = f'{{"n":{number},"t":"{random.choice(TEXTS)}"}}'.encode()
    return f"device-{number % 50}", body * random.choice((1, 1, 1, 40)), properties


def test_connects_converters_read_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    random = Random(17)
    decoder = decoder_of("connect-json")
    everything = [sent(number, random) for number in range(EVENTS)]
    payloads = [
        messages.usual(number, device=device, body=body, properties=properties)
        for number, (device, body, properties) in enumerate(everything)
    ]
    events = [decoder.decode(payload, 0, len(payload)) for payload in payloads]
    lines: list[str] = []
    for form in ("connect-string", "connect-json", "connect-json-schema"):
        lines += [
            f"{form} {base64.b64encode(value).decode()}" for value in encoder_of(form, "0").encode_all(events).values
        ]
    folder = Path(__file__).parent / "converters"
    java, classes = compiled.java_program(
        folder / "Converters.java", folder / "pom.xml", "converters", "the converters of Kafka Connect"
    )
    ran = subprocess.run(
        [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Converters"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    read = ran.stdout.splitlines()
    assert len(read) == 3 * EVENTS, ran.stderr[-2_000:]
    different = 0
    for number, (device, body, properties) in enumerate(everything):
        content_type = properties.pop("contentType", "")
        said = (device, str(number * 1_000), content_type, None, str(number), body.decode(), None, properties)
        text, *structs = (read[number + place * EVENTS] for place in range(3))
        for struct in structs:
            found = dict(zip(FIELDS, map(decoded, struct.split()), strict=True))
            different += any(
                value is not None and found[name] != value for name, value in zip(FIELDS, said, strict=True)
            )
        assert decoded(structs[0].split()[6]) == decoded(structs[1].split()[6])
        shown = decoded(text)
        different += not shown.startswith(
            f"Struct{{deviceId={device},offset={number * 1_000},contentType={content_type},"
        )
        different += f",content={body.decode()},systemProperties={{" not in shown
    with capsys.disabled():
        print(f"\n{EVENTS} events in 3 formats, {different} differences")
    assert different == 0


def arrived(topic: Topic) -> int:
    topic.read_more(0.2)
    return len(topic.letters)


def decoded(shown: str) -> Any:
    """What Converters.java has printed of a field."""
    if shown == "null":
        return None
    if shown.startswith("{"):
        return {decoded(key): decoded(value) for key, value in re.findall(r"(=[^:]*):(=[^,]*),", shown)}
    return base64.b64decode(shown[1:]).decode()


def test_confluents_deserializer_reads_every_record(
    kafka: KafkaCluster, registry: SchemaRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = Random(18)
    everything = [sent(number, random) for number in range(EVENTS)]
    with Emulator(partitions=2) as hub, Topic(kafka.bootstrap) as topic, SourceProcess(tmp_path) as source:
        hub.send_many(everything)
        basic = basic_config(tmp_path, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
        ours = {"source": {"format": "connect-avro"}, "kafka.schema_registry": {"url": registry.url}}
        write_config(source.config, basic, ours)
        source.start()
        wait_until(lambda: arrived(topic) >= EVENTS, lambda: str(source.messages()[-5:]))
        assert source.close() == 0, source.messages()[-5:]
        topic.read_to_end()
    context = SerializationContext(topic.name, MessageField.VALUE)
    found: dict[int, dict[str, Any]] = {}
    with SchemaRegistryClient({"url": registry.url}) as client:
        deserialize = AvroDeserializer(client)
        for record in topic.letters:
            assert record.key() is None
            fields = deserialize(record.value(), context)
            assert isinstance(fields, dict)
            found[json.loads(re.match(r'\{"n":(\d+)', fields["content"])[1])] = fields  # type: ignore[index]
    assert len(topic.letters) == len(found) == EVENTS
    different = 0
    for number, (device, body, properties) in enumerate(everything):
        fields = found[number]
        content_type = properties.pop("contentType", "")
        said = (device, body.decode(), content_type, properties)
        different += said != tuple(fields[name] for name in ("deviceId", "content", "contentType", "properties"))
    with capsys.disabled():
        print(f"\n{EVENTS} events in Avro, {different} differences")
    assert different == 0


def test_a_real_registry_answers_as_the_toy_does(registry: SchemaRegistry) -> None:
    config = RegistryConfig(registry.url)
    with Registry(config) as asking, Registry(RegistryConfig(registry.url, auto_register=False)) as looking:
        with pytest.raises(Refused, match="register it"):
            looking.id_of("t-value", SCHEMA)
        given = asking.id_of("t-value", SCHEMA)
        assert (
            asking.id_of("t-value", SCHEMA)
            == looking.id_of("t-value", json.dumps(json.loads(SCHEMA), indent=1))
            == given
        )
        assert json.loads(asking.schema_of(given)) == json.loads(SCHEMA)
        with pytest.raises(Refused, match="does not know it"):
            asking.schema_of(given + 1_000)
    with (
        Registry(RegistryConfig(registry.url.removesuffix("/apis/ccompat/v7"))) as lost,
        pytest.raises(Refused, match="can need a path"),
    ):
        lost.id_of("t-value", SCHEMA)
