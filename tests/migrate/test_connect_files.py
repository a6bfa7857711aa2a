"""What the three files become, and what is said about what cannot be taken over."""

import tomllib
from collections.abc import Mapping

import pytest

from ingest.config.values import Secret
from ingest.errors import ConfigError
from ingest.migrate.connect_files import SavedAt, translate
from ingest.migrate.rendering import render
from ingest.migrate.translation import Translation
from tests.migrate.samples import SINK, SOURCE, WORKER, changed, complaints, translated, values

JSON = "org.apache.kafka.connect.json.JsonConverter"
AVRO = "io.confluent.connect.avro.AvroConverter"


def remarks(*connectors: Mapping[str, str], worker: Mapping[str, str] = WORKER) -> str:
    return "\n".join(sentence for _, sentence in translated(*connectors, worker=worker)[0].remarks)


def test_both_directions() -> None:
    translation, saved = translated(SOURCE, SINK)
    assert complaints(translation) == {}
    assert (translation.connector, translation.event_hub) == ("AzureIotHubConnector", "hub")
    assert str(saved.file) == "/tmp/connect.offsets"
    found = values(translation)
    assert found["sink.group_id"] == "connect-AzureIotHubSinkConnector"
    assert found["sink.topics"] == ["iotout"]
    assert found["kafka.bootstrap_servers"] == "kafka1:9092,kafka2:9092"
    assert found["hub.iot_hub_connection_string"] == Secret(SINK["IotHub.ConnectionString"])


@pytest.mark.parametrize("connectors", [(SOURCE,), (SINK,), (SINK, SOURCE)])
def test_one_connector_or_both_in_any_order(connectors: tuple[Mapping[str, str], ...]) -> None:
    translation, _ = translated(*connectors)
    assert complaints(translation) == {}
    assert ("source.topic" in values(translation)) == (SOURCE in connectors)
    assert ("sink.topics" in values(translation)) == (SINK in connectors)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([SOURCE, SOURCE], "is a second source beside source: run one ingest for each hub"),
        ([WORKER], "this is a worker's file: the worker comes first"),
        ([{**SINK, "connector.class": "FileStreamSink"}], "is another connector, which ingest does not replace"),
        ([changed(SINK, {"connector.class": None})], "is missing: write the connector's class"),
    ],
)
def test_files_that_are_none_of_the_connectors(files: list[Mapping[str, str]], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        translate(("worker", WORKER), [("source", each) for each in files])


@pytest.mark.parametrize("name", ["IotHubSourceConnector", "IotHubSource"])
def test_a_class_by_the_short_names_that_connect_takes(name: str) -> None:
    assert complaints(translated({**SOURCE, "connector.class": name})[0]) == {}


PLACEHOLDERS = {
    "Kafka.Topic": "step 4",
    "IotHub.EventHubCompatibleName": "step 5",
    "IotHub.EventHubCompatibleEndpoint": "step 5",
    "IotHub.AccessKeyName": "step 5",
    "IotHub.AccessKeyValue": "step 5",
    "IotHub.Partitions": "step 5",
    "IotHub.StartTime": "step 6",
    "IotHub.Offsets": "step 6",
}


@pytest.mark.parametrize(("name", "step"), PLACEHOLDERS.items())
def test_a_placeholder_says_which_step_was_skipped(name: str, step: str) -> None:
    translation, _ = translated({**SOURCE, name: "PLACEHOLDER"})
    assert complaints(translation).keys() == {f"source: {name}"}
    assert f"{step} of the how-to was skipped: " in complaints(translation)[f"source: {name}"]


def test_placeholders_of_the_others() -> None:
    translation, _ = translated(
        {**SINK, "topics": "PLACEHOLDER", "IotHub.ConnectionString": "HostName=PLACEHOLDER"},
        worker={**WORKER, "bootstrap.servers": "PLACEHOLDER:9092"},
    )
    assert [fix.split(":")[1].split(" of")[0] for fix in complaints(translation).values()] == [
        " step 2",
        " step 7",
        " step 4",
    ]


def test_a_placeholder_where_nothing_is_read_does_no_harm() -> None:
    """The how-to fills in the start time alone."""
    started = {**SOURCE, "IotHub.StartTime": "2016-11-28T00:00:00Z", "IotHub.Offsets": "PLACEHOLDER"}
    translation, _ = translated(started)
    assert complaints(translation) == {}
    assert values(translation)["source.start"] == "2016-11-28T00:00:00Z"
    assert "IotHub.Offsets has no meaning beside IotHub.StartTime" in remarks(started)


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        (
            {"IotHub.StartTime": "2016-11-28 00:00:00Z"},
            "is not a time in UTC like 2016-11-28T00:00:00Z, and the old connector",
        ),
        ({"IotHub.StartTime": "+12016-01-01T00:00:00Z"}, "is a time that no event has"),
        ({"IotHub.AccessKeyValue": '"a2V5"'}, "has quotation marks"),
        ({"IotHub.AccessKeyValue": "a2V5;EntityPath=x"}, "has a semicolon"),
        ({"IotHub.AccessKeyName": "the service"}, "has white space inside"),
        ({"IotHub.EventHubCompatibleEndpoint": "Endpoint=sb://ns.net/;x=y"}, "write only sb://ns.net/"),
        ({"IotHub.EventHubCompatibleEndpoint": "sb://ns.net/ (Events)"}, "write only sb://ns.net/"),
        ({"IotHub.EventHubCompatibleEndpoint": "ns.servicebus.windows.net/"}, "write sb://ns.servicebus.windows.net/"),
        ({"IotHub.EventHubCompatibleEndpoint": "sb://a b/"}, "write only sb://a/"),
        ({"IotHub.EventHubCompatibleEndpoint": "https://h.azure-devices.net"}, "is the address of the IoT Hub itself"),
        ({"IotHub.EventHubCompatibleEndpoint": "nothing"}, "is not an address: write it like sb://"),
        ({"IotHub.Partitions": "four"}, "the hub's number of partitions, such as 4"),
        ({"IotHub.Partitions": "0"}, "a hub has at least one partition"),
        ({"IotHub.Offsets": "1,'2',3"}, "the offset of partition 1:"),
        ({"IotHub.ConsumerGroup": ""}, "not a consumer group"),
        ({"Kafka.Topic": "a/b"}, "not a legal Kafka topic name because of '/'"),
        ({"Kafka.Topic": "a\ud83d"}, "one half of a character"),
        ({"tasks.max": "0"}, "expects a whole number from 1"),
        ({"name": " "}, "is empty: write the connector's name"),
    ],
)
def test_a_wrong_value_of_the_source_gets_its_sentence(change: dict[str, str], fix: str) -> None:
    translation, _ = translated({**SOURCE, **change})
    [(key, told)] = complaints(translation).items()
    assert key == f"source: {next(iter(change))}"
    assert fix in told


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"topics": " , "}, "is empty"),
        ({"topics": None, "topics.regex": "iot.*"}, "topics are read by name here"),
        ({"topics": None}, "is missing and required: step 4"),
        ({"IotHub.MessageDeliveryAcknowledgement": "full"}, "write it as Full: upper and lower case count"),
        ({"IotHub.MessageDeliveryAcknowledgement": "all"}, "write one of None, Full, PositiveOnly, NegativeOnly"),
        (
            {"IotHub.ConnectionString": "Endpoint=sb://ns/;SharedAccessKey=a2V5"},
            "Event Hub-compatible connection string",
        ),
    ],
)
def test_a_wrong_value_of_the_sink_gets_its_sentence(change: dict[str, str | None], fix: str) -> None:
    translation, _ = translated(changed(SINK, change))
    [told] = complaints(translation).values()
    assert fix in told


def test_a_secret_is_in_no_problem_and_no_remark() -> None:
    translation, _ = translated(
        {
            **SOURCE,
            "IotHub.AccessKeyValue": "c2VjcmV0 ",
            "IotHub.EventHubCompatibleEndpoint": "x;SharedAccessKey=c2VjcmV0",
        },
        {**SINK, "IotHub.ConnectionString": "HostName=h;SharedAccessKey=c2VjcmV0"},
        worker={**WORKER, "producer.sasl.jaas.config": "com.Other required password=c2VjcmV0;"},
    )
    said = [str(problem) for _, problem in translation.problems] + [sentence for _, sentence in translation.remarks]
    assert len(translation.problems) == 3
    assert [each for each in said if "c2VjcmV0" in each] == []


@pytest.mark.parametrize(
    ("change", "source", "sink"),
    [
        ({}, "connect-string", "json"),
        ({"value.converter": JSON}, "connect-json-schema", "connect-json-schema"),
        ({"value.converter": JSON, "value.converter.schemas.enable": "False"}, "connect-json", "json"),
        (
            {"value.converter": AVRO, "value.converter.schema.registry.url": "http://r:8081"},
            "connect-avro",
            "connect-avro",
        ),
    ],
)
def test_the_workers_converter(change: dict[str, str], source: str, sink: str) -> None:
    assert formats({}, {**WORKER, **change}) == (source, sink)


def test_a_key_that_both_directions_set_is_there_once() -> None:
    key = ("checkpoints", "container")
    translation = Translation()
    translation.set(key, "one", "a in source")
    translation.set(key, "one", "a in sink")
    assert len(translation.settings) == 1
    translation.set(key, "two", "a in sink")
    [(name, problem)] = translation.problems
    assert name == key
    assert str(problem).startswith(
        "checkpoints.container: a in source and a in sink differ, and both directions have one"
    )


def formats(connector: Mapping[str, str], worker: Mapping[str, str]) -> tuple[str, str]:
    """(source.format, sink.format), whether this release knows them or not."""
    found = []
    for file in (SOURCE, SINK):
        translation, _ = translated({**file, **connector}, worker=worker)
        assert complaints(translation) == {}
        toml = render(translation, ["x"]).toml.replace("'", '"')
        [line] = [line for line in toml.splitlines() if line.lstrip("# ").startswith("format = ")]
        assert tomllib.loads(toml)["source" if file is SOURCE else "sink"]
        found.append(line.split('"')[1])
    return found[0], found[1]


def test_a_connectors_own_converter_has_its_settings_beside_it() -> None:
    off = {**WORKER, "value.converter.schemas.enable": "false"}
    assert formats({"value.converter": JSON}, off) == ("connect-json-schema", "connect-json-schema")
    assert formats({"value.converter.schemas.enable": "true"}, {**off, "value.converter": JSON}) == (
        "connect-json",
        "json",
    )


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter"}, "nothing here makes or reads"),
        ({"value.converter": JSON, "value.converter.schemas.enable": "no"}, "schemas.enable expects true or false"),
        ({"value.converter.converter.encoding": "UTF-16"}, "text in UTF-16 is not made here"),
        ({"value.converter": AVRO}, "is missing and required"),
        ({"value.converter": None}, "is missing and required"),
        ({"bootstrap.servers": "kafka"}, "write host:port"),
        ({"bootstrap.servers": ""}, "write host:port"),
    ],
)
def test_a_wrong_value_of_the_worker_gets_its_sentence(change: dict[str, str | None], fix: str) -> None:
    [told] = complaints(translated(SOURCE, worker=changed(WORKER, change))[0]).values()
    assert fix in told


def test_the_topic_of_distributed_workers() -> None:
    worker = changed(WORKER, {"offset.storage.file.filename": None, "offset.storage.topic": "connect-offsets"})
    assert translated(SOURCE, worker=worker)[1] == SavedAt(topic="connect-offsets")
    assert translated({**SOURCE, "offsets.storage.topic": "own"}, worker=worker)[1] == SavedAt(topic="own")
    assert translated(SOURCE, worker={**worker, "internal.key.converter.schemas.enable": "true"})[1].wrapped


def test_every_property_is_told_of() -> None:
    worker = {**WORKER, "rest.port": "8083", "plugin.path": "/opt", "bootstrap.servers": "PLAINTEXT://a:1,b:2"}
    source = {**SOURCE, "transforms": "t", "transforms.t.type": "X", "Unknown.Property": "x"}
    said = remarks(source, worker=worker)
    for name in ("rest.port", "plugin.path", "transforms", "Unknown.Property", "tasks.max", "IotHub.Partitions"):
        assert f"{name} " in said
    assert "transforms.t.type" not in said
    assert values(translated(source, worker=worker)[0])["kafka.bootstrap_servers"] == "a:1,b:2"


def test_dead_letters_are_beside_their_topic() -> None:
    found = values(translated({**SOURCE, "Kafka.Topic": "t"}, {**SINK, "topics": "a, b"})[0])
    assert (found["source.dead_letter_topic"], found["sink.dead_letter_topic"]) == ("t.dead", "a.dead")
    named = values(translated({**SINK, "errors.deadletterqueue.topic.name": "dlq"})[0])
    assert named["sink.dead_letter_topic"] == "dlq"


def test_a_consumer_group_that_replaces_connects_own() -> None:
    worker = {**WORKER, "consumer.group.id": "w"}
    assert values(translated(SINK, worker=worker)[0])["sink.group_id"] == "w"
    assert values(translated({**SINK, "consumer.override.group.id": "s"}, worker=worker)[0])["sink.group_id"] == "s"
    assert "group.id" not in remarks(SINK, worker=worker)


def test_a_misspelt_property_is_found() -> None:
    said = remarks({**SOURCE, "IotHub.ConsumerGroups": "mine"}, {**SINK, "IotHub.connectionString": "x"})
    assert (
        "IotHub.ConsumerGroups in source has no meaning here, and had none there: did you mean IotHub.ConsumerGroup?"
        in said
    )
    assert "did you mean IotHub.ConnectionString?" in said
