"""What a person does wrong at each step of the how-to for HDInsight: one sentence with the step, the property, the value and
the fix, and never a secret."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from ingest.cli.main import main
from ingest.errors import EXIT_CONFIG, EXIT_UNAVAILABLE, EXIT_USAGE
from tests.discovery.toy_ambari import toy_ambari
from tests.end_to_end.documents import Document
from tests.migrate.samples import SINK, SOURCE, WORKER, changed

SECRET: Final = "c2VjcmV0c2VjcmV0"
SHOWS_NOTHING: Final = frozenset(("IotHub.AccessKeyValue", "IotHub.ConnectionString"))
"""Properties whose values are in no message."""
FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "connect-standalone.properties": WORKER,
    "connect-iothub-source.properties": {**SOURCE, "IotHub.AccessKeyValue": f"{SECRET}="},
    "connect-iothub-sink.properties": {
        **SINK,
        "IotHub.ConnectionString": f"HostName=h.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey={SECRET}",
    },
}
FILE_OF: Final = {name: file for file, properties in FILES.items() for name in properties}
NAME, ENDPOINT, KEY = "IotHub.EventHubCompatibleName", "IotHub.EventHubCompatibleEndpoint", "IotHub.AccessKeyValue"
HOST = "ns.servicebus.windows.net"
WRITE_HOST = f"write only sb://{HOST}/"
DATE = "is not a time in UTC like 2016-11-28T00:00:00Z"
COUNT = "the hub's number of partitions, such as 4"
ACK = "write one of None, Full, PositiveOnly, NegativeOnly"

MISTAKES: Final[list[tuple[int, str, str | None, str]]] = [
    (2, "bootstrap.servers", "PLACEHOLDER", "step 2 of the how-to was skipped: find the brokers"),
    (2, "bootstrap.servers", None, "is missing and required: step 2 of the how-to was skipped"),
    (2, "bootstrap.servers", "", "is empty: write host:port"),
    (2, "bootstrap.servers", "wn0-kafka,wn1-kafka", "write host:port, several separated by commas"),
    (2, "bootstrap.servers", "wn0-kafka:9092;wn1-kafka:9092", "write host:port, several separated by commas"),
    (2, "bootstrap.servers", "wn0-kafka:9092 wn1-kafka:9092", "write host:port, several separated by commas"),
    (2, "bootstrap.servers", "$KAFKABROKERS", "write host:port, several separated by commas"),
    (2, "bootstrap.servers", '"wn0-kafka:9092"', "has quotation marks"),
    (2, "bootstrap.servers", "zk0-kafka:2181,zk1-kafka:2181", "has the port of ZooKeeper: write the brokers"),
    (2, "bootstrap.servers", "wn0-kafka:90920", "the port is not a number from 1 to 65535"),
    (3, "value.converter", "StringConvertor", "nothing here makes or reads what this converter does: write one of"),
    (3, "value.converter", None, "is missing and required"),
    (4, "Kafka.Topic", "PLACEHOLDER", "step 4 of the how-to was skipped: create the topics"),
    (4, "Kafka.Topic", "", "is empty: write the name of a Kafka topic"),
    (4, "Kafka.Topic", "iot in", "not a legal Kafka topic name because of ' '"),
    (4, "topics", "iotout;other", "not a legal Kafka topic name because of ';'"),
    (4, "topics", "", "is empty: write the names of Kafka topics"),
    (5, NAME, "PLACEHOLDER", "step 5 of the how-to was skipped: find the hub's data"),
    (5, NAME, f"sb://{HOST}/", "is not a name: write the Event Hub-compatible name alone"),
    (5, NAME, "my hub", "has white space inside"),
    (5, NAME, "“myhub”", "has quotation marks"),
    (5, ENDPOINT, "PLACEHOLDER", "step 5 of the how-to was skipped"),
    (5, ENDPOINT, "<endpoint>", "still has a placeholder: step 5 of the how-to was skipped"),
    (5, ENDPOINT, HOST, f"has no sb:// in front: write sb://{HOST}/"),
    (5, ENDPOINT, f"Endpoint=sb://{HOST}/", WRITE_HOST),
    (5, ENDPOINT, f"sb://{HOST}/;EntityPath=myhub", WRITE_HOST),
    (5, ENDPOINT, f"sb://{HOST}/myhub", WRITE_HOST),
    (5, ENDPOINT, f"Event Hub-compatible endpoint: sb://{HOST}/", WRITE_HOST),
    (5, ENDPOINT, f"'sb://{HOST}/'", "has quotation marks"),
    (5, ENDPOINT, "sb://myhub.azure-devices.net/", "is the address of the IoT Hub itself"),
    (5, "IotHub.AccessKeyName", "PLACEHOLDER", "step 5 of the how-to was skipped: find the hub's policy"),
    (5, "IotHub.AccessKeyName", "", "is empty: write its value"),
    (5, KEY, "PLACEHOLDER", "step 5 of the how-to was skipped: find the hub's policy"),
    (5, KEY, f'"{SECRET}="', "has quotation marks"),
    (5, KEY, f'{SECRET}="', "has quotation marks"),
    (5, KEY, f"“{SECRET}=”", "has quotation marks"),
    (5, KEY, f"{SECRET}%3D", "is percent-encoded, as in a URL"),
    (5, KEY, f"SharedAccessKey={SECRET}=", "begins with SharedAccessKey=: write only what comes after it"),
    (5, KEY, f"Endpoint=sb://{HOST}/;SharedAccessKeyName=service;SharedAccessKey={SECRET}=", "has a semicolon"),
    (5, KEY, f"{SECRET[:5]} {SECRET[5:]}", "has white space inside"),
    (5, KEY, "", "is empty: write its value"),
    (5, "IotHub.Partitions", "PLACEHOLDER", "step 5 of the how-to was skipped"),
    (5, "IotHub.Partitions", "0-3", COUNT),
    (5, "IotHub.Partitions", "0,1,2,3", COUNT),
    (5, "IotHub.Partitions", "[0, 1, 2, 3]", COUNT),
    (5, "IotHub.Partitions", '"8"', "has quotation marks"),
    (5, "IotHub.Partitions", "eight", COUNT),
    (5, "IotHub.Partitions", "8 partitions", COUNT),
    (5, "IotHub.Partitions", "8.0", COUNT),
    (5, "IotHub.Partitions", "-8", "a hub has at least one partition"),
    (5, "IotHub.Partitions", "", COUNT),
    (6, "IotHub.StartTime", "PLACEHOLDER", "step 6 of the how-to was skipped: write a time in UTC"),
    (6, "IotHub.StartTime", "2016-11-28", DATE),
    (6, "IotHub.StartTime", "2016-11-28T00:00:00", DATE),
    (6, "IotHub.StartTime", "2016-11-28 00:00:00Z", DATE),
    (6, "IotHub.StartTime", "2016-11-28T00:00Z", DATE),
    (6, "IotHub.StartTime", "28.11.2016 00:00:00", DATE),
    (6, "IotHub.StartTime", "2016-02-30T00:00:00Z", DATE),
    (6, "IotHub.StartTime", "2016-13-01T00:00:00Z", DATE),
    (6, "IotHub.StartTime", "1480291200000", DATE),
    (6, "IotHub.StartTime", "yyyy-mm-ddThh:mm:ssZ", DATE),
    (6, "IotHub.StartTime", '"2016-11-28T00:00:00Z"', "has quotation marks"),
    (6, "IotHub.Offsets", '"1","2"', "has quotation marks"),
    (6, "IotHub.ConsumerGroup", "my group", "not a consumer group of Event Hubs"),
    (6, "BatchSize", "a hundred", "expects a whole number"),
    (6, "ReceiveTimeout", "60s", "expects a whole number"),
    (7, "IotHub.ConnectionString", "PLACEHOLDER", "step 7 of the how-to was skipped"),
    (7, "IotHub.ConnectionString", "", "is empty: write the connection string of the policy service"),
    (7, "IotHub.ConnectionString", f"HostName=h;DeviceId=d;SharedAccessKey={SECRET}", "of one device"),
    (7, "IotHub.ConnectionString", f"Endpoint=sb://ns/;SharedAccessKey={SECRET}", "Event Hub-compatible connection string"),
    (7, "IotHub.ConnectionString", f"HostName=h;SharedAccessKey={SECRET}", "SharedAccessKeyName is missing"),
    (7, "IotHub.ConnectionString", f"HostName=h;SharedAccessKeyName=service;SharedAccessKey={SECRET[:-2]}", "not base64"),
    (7, "IotHub.ConnectionString", f'"HostName=h;SharedAccessKey={SECRET}"', "has quotation marks"),
    (7, "IotHub.ConnectionString", "myhub.azure-devices.net", "not a connection string"),
    (7, "IotHub.MessageDeliveryAcknowledgement", "full", "write it as Full: upper and lower case count"),
    (7, "IotHub.MessageDeliveryAcknowledgement", "Positive", ACK),
    (7, "IotHub.MessageDeliveryAcknowledgement", "true", ACK),
]  # fmt: skip
"""Step, property, what is written there (None: the line is missing), and what the sentence has to say."""


(TOLD,) = (block.splitlines() for block in Document("docs/hdinsight.md").blocks("text"))


def write(folder: Path, files: Mapping[str, Mapping[str, str]]) -> list[str]:
    for name, properties in files.items():
        lines = (f"{key}={value}\n" for key, value in properties.items())
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return [str(folder / name) for name in files]


@pytest.mark.parametrize(("step", "name", "value", "says"), MISTAKES)
def test_a_wrong_value(
    step: int, name: str, value: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FILE_OF.get(name) or f"connect-iothub-{'sink' if 'Acknowledgement' in name else 'source'}.properties"
    files = {**FILES, file: changed(FILES[file], {name: value})}
    assert main(["migrate", *write(tmp_path, files)]) == EXIT_CONFIG
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert len({line.partition(" = ")[0] for line in lines}) == 1, "one thing is wrong"
    assert f"{file}: {name}" in lines[0]
    assert says in lines[0]
    assert f"step {step} of the how-to" in lines[0]
    assert SECRET[:5] not in shown.err
    if value and value.isascii() and name not in SHOWS_NOTHING:
        assert value.replace('"', '\\"')[:20] in lines[0] or value in lines[0]


@pytest.mark.parametrize("told", TOLD)
def test_the_page_has_it_as_it_is_said(told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, rest = told.split(": ", 1)
    name, rest = rest.split(" = ", 1)
    value = f'"{SECRET}"' if rest.startswith("***") else rest.split('"')[1]
    assert main(["migrate", *write(tmp_path, {**FILES, file: {**FILES[file], name: value}})]) == EXIT_CONFIG
    assert capsys.readouterr().err == f"ingest: config: {told}\n"


def test_a_property_by_a_wrong_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = changed(FILES["connect-iothub-source.properties"], {"IotHub.Partitions": None, "IotHub.Partition": "4"})
    paths = write(tmp_path, {**FILES, "connect-iothub-source.properties": source})
    assert main(["migrate", *paths]) == EXIT_CONFIG
    said = "is missing and required: did you mean IotHub.Partitions where connect-iothub-source.properties has IotHub.Partition?"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ((1, 0), "this is a connector's file: the worker's, connect-standalone.properties, comes first"),
        ((1, 2), "this is a connector's file: the worker's, connect-standalone.properties, comes first"),
        ((0, 0, 1), "this is a worker's file: the worker comes first"),
        ((0, 1, 1), "is a second source beside connect-iothub-source.properties"),
    ],
)
def test_files_in_a_wrong_order(
    order: tuple[int, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write(tmp_path, FILES)
    assert main(["run", "--connect", *(paths[place] for place in order)]) == EXIT_CONFIG
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read (No such file or directory); check the path"),
        ("bootstrap.servers=wn0:9092\n".encode("utf-16"), "is in UTF-16, or no text at all: save it as plain text"),
        (b"\xef\xbb\xbfbootstrap.servers=wn0:9092\n", "save the file as UTF-8 without that mark"),
        (
            b"bootstrap.servers=wn0:9092\nplugin.path=C:\\users\n",
            "line 2: \\users is not \\u and four hexadecimal digits",
        ),
        (b'{"bootstrap.servers": wn0:9092}', "begins like JSON and is none"),
    ],
)
def test_a_file_that_is_none(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, *connectors = write(tmp_path, FILES)
    if content is None:
        Path(worker).unlink()
    else:
        Path(worker).write_bytes(content)
    assert main(["migrate", worker, *connectors]) == EXIT_CONFIG
    shown = capsys.readouterr().err
    assert says in shown
    assert "connect-standalone.properties" in shown


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--url", "http://mykafka.azurehdinsight.net"), "write https://mykafka.azurehdinsight.net"),
        (("--url", "mykafka.azurehdinsight.net"), "is no address: write http://headnodehost:8080"),
        (("--url", "https://admin:hunter2@mykafka.azurehdinsight.net"), "has a user and password in it"),
        (("--url", "http://127.0.0.1:9", "--password-file", "missing"), "missing cannot be read (No such file"),
        (("--url", "{ambari}", "--cluster", "MyKafka"), "names are case-sensitive, did you mean mykafka?"),
        (("--url", "{ambari}", "--protocol", "SASL_SSL"), "has no listener for SASL_SSL, but PLAINTEXT at 9092"),
        (("--url", "https://{host}"), "is it http:// there?"),
        (("--url", "{ambari}", "--password-file", "wrong"), "check --user and --password-file"),
    ],
)
def test_ambari_asked_in_a_wrong_way(
    options: tuple[str, ...],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "wrong").write_text("hunter3\n")
    password = () if "--password-file" in options else ("--password-file", "password")
    with toy_ambari(password="hunter2") as url:
        typed = [each.format(ambari=url, host=url.removeprefix("http://")) for each in options]
        assert main(["discover", "ambari", *typed, *password]) == EXIT_UNAVAILABLE
    shown = capsys.readouterr()
    assert says in shown.err
    assert "hunter" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("piped", "says"),
    [
        ("", "There is nothing of a hub in what was piped in: pipe in what `az iot hub show`"),
        ("ERROR: Please run 'az login' to setup account.\n", "az has failed: Please run 'az login' to setup account."),
        ('{"properties": {"eventHubEndpoints": {"events": {"endpoint": "sb', "is not whole"),
        ('{"keyName": "device", "primaryKey": "c2VjcmV0", "rights": "DeviceConnect"}', "the policy device"),
        ('{"keyName": "service", "primaryKey": null}', "the policy that az printed has no primaryKey"),
        ("null\n", "its --query finds nothing: leave --query out"),
    ],
)
def test_az_piped_in_in_a_wrong_way(
    piped: str, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped.encode())))
    assert main(["discover", "az"]) == EXIT_UNAVAILABLE
    shown = capsys.readouterr()
    assert says in shown.err
    assert "c2VjcmV0" not in shown.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--partitions", "0"), "--partitions: '0' is not a whole number above 0"),
        (("--partitions", "eight"), "--partitions: 'eight' is not a whole number above 0"),
        (("--replication", "-1"), "'-1' is not a whole number above 0"),
    ],
)
def test_topics_of_a_wrong_number(options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["topics", "create", *options])
    assert raised.value.code == EXIT_USAGE
    assert says in capsys.readouterr().err
