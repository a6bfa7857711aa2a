"""`ingest migrate` from its command line: files, secrets, and positions from a file and from a topic."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ingest.cli.main import main
from ingest.config import load
from ingest.errors import EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from ingest.kafka.mock_cluster import MockCluster
from ingest.migrate.positions import Owner
from ingest.source.checkpoints import Checkpoint, Scope
from ingest.source.checkpoints.file import FileCheckpointStore
from tests.migrate.samples import EVENT_HUB, SINK, SOURCE, WORKER, write, write_files_of_the_old_connector
from tests.migrate.test_positions import entry

KEYS = ("a2V5",)
"""The secrets of the samples."""
OWNER = Owner("AzureIotHubConnector", EVENT_HUB)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [str(path) for path in write_files_of_the_old_connector(tmp_path)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileCheckpointStore:
    monkeypatch.setenv("INGEST__CHECKPOINTS__PATH", str(tmp_path / "positions"))
    store = FileCheckpointStore(tmp_path / "positions", Scope("ns.servicebus.windows.net", EVENT_HUB, "$Default"))
    store.check()
    return store


def offsets(store: FileCheckpointStore) -> dict[str, str | None]:
    return {checkpoint.partition: checkpoint.offset for checkpoint in store.load_all()}


def test_the_files_as_toml_without_a_secret(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", *files]) == EXIT_OK
    shown = capsys.readouterr()
    assert [key for key in KEYS if key in shown.out + shown.err] == []
    assert 'event_hub_connection_string_file = "event-hub"' in shown.out
    assert "# Kafka.Topic in connect-iothub-source.properties\ntopic = " in shown.out


def test_what_is_written_is_a_configuration_with_secrets_for_this_user_alone(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    before = os.umask(0o022)
    request.addfinalizer(lambda: os.umask(before))
    made = tmp_path / "made"
    made.mkdir()
    command = ["migrate", *files, "--write", str(made / "ingest.toml")]
    assert main(command) == EXIT_OK
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()}
    assert modes == {"ingest.toml": 0o644, "event-hub": 0o600, "iot-hub": 0o600}
    assert [key for key in KEYS if key in (made / "ingest.toml").read_text()] == []
    config = load(made / "ingest.toml", environ={})
    assert config.hub.event_hub_connection_string.reveal() == (
        f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath={EVENT_HUB}"
    )
    assert config.hub.iot_hub_connection_string.reveal() == SINK["IotHub.ConnectionString"]
    assert (config.sink.group_id, config.sink.topics) == ("connect-AzureIotHubSinkConnector", ("iotout",))
    assert (config.source.topic, config.checkpoints.store) == ("iotin", "file")
    assert config.kafka.bootstrap_servers == WORKER["bootstrap.servers"]
    assert main(command) == EXIT_OK, "the same once more changes nothing"
    (made / "event-hub").write_text("another")
    assert main(command) == EXIT_UNAVAILABLE
    assert "event-hub exists and has another content: move it away" in capsys.readouterr().err


def test_nothing_is_written_where_one_file_cannot_be(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "ingest.toml").write_text("mine")
    assert main(["migrate", *files, "--write", str(tmp_path / "ingest.toml")]) == EXIT_UNAVAILABLE
    assert not (tmp_path / "event-hub").exists()
    assert (tmp_path / "ingest.toml").read_text() == "mine"


def test_positions_of_a_file(files: list[str], store: FileCheckpointStore, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["migrate", *files, "--apply"]
    wanted = {"0": "4294967296", "1": "1024", "2": "-1", "3": "1:4295:8589934592"}
    assert main([*command, "--dry-run"]) == EXIT_OK
    assert capsys.readouterr().out.startswith(
        "partition 0: would begin after 4294967296; the checkpoint is at nothing\n"
    )
    assert offsets(store) == {}
    assert main(command) == EXIT_OK
    assert "partition 2: begins at its oldest event; the checkpoint was at nothing\n" in capsys.readouterr().out
    assert offsets(store) == wanted
    store.save(Checkpoint("0", "4294967295", 9))
    assert main([*command, "--json"]) == EXIT_OK
    told = json.loads(capsys.readouterr().out)
    assert told["applied"]
    assert [row["outcome"] for row in told["positions"]] == ["save", "same", "same", "same"]
    assert offsets(store) == wanted


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Checkpoint("1", "2048", 9), "the checkpoint is at 2048, and 1024 is before it"),
        (
            Checkpoint("1", None, 9),
            "the checkpoint is at sequence number 9, and whether 1024 is before it cannot be told",
        ),
        (Checkpoint("2", "7", 1), "the checkpoint is at 7, and -1 is before it"),
        (Checkpoint("3", "1:4295:1", 7), "the checkpoint is at 1:4295:1, and whether 1:4295:8589934592 is before it"),
    ],
)
def test_no_checkpoint_moves_back_unless_that_is_wanted(
    found: Checkpoint, why: str, files: list[str], store: FileCheckpointStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(found)
    assert main(["migrate", *files, "--apply"]) == EXIT_USAGE
    shown = capsys.readouterr()
    assert f"partition {found.partition}: {why}" in shown.out
    assert "Nothing was changed" in shown.err
    assert offsets(store) == {found.partition: found.offset}
    assert main(["migrate", *files, "--apply", "--back"]) == EXIT_OK
    assert len(offsets(store)) == 4
    assert offsets(store)[found.partition] != found.offset


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("connect-offsets", 5)
        yield made


def test_positions_of_a_topic(cluster: MockCluster, tmp_path: Path, store: FileCheckpointStore) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number, partition in ((1, "0"), (2, "1"), (3, "0"), (4, "2"), (None, "2"), (5, "11"), (6, "1")):
        key, value = entry(partition, None if number is None else str(number), OWNER)
        producer.produce("connect-offsets", value, key)
    producer.produce("connect-offsets", b'{"position":7}', b'["file",{"filename":"a"}]')
    assert producer.flush(60) == 0
    distributed = {name: value for name, value in WORKER.items() if not name.startswith("offset.")} | {
        "bootstrap.servers": cluster.bootstrap,
        "group.id": "connect-cluster",
        "offset.storage.topic": "connect-offsets",
    }
    worker = write(tmp_path / "connect-distributed.properties", distributed)
    source = tmp_path / "source.json"
    config = {**SOURCE, "IotHub.EventHubCompatibleName": EVENT_HUB}
    source.write_text(json.dumps({"name": config.pop("name"), "config": {**config, "tasks.max": 1}}))
    assert main(["migrate", str(worker), str(source), "--apply"]) == EXIT_OK
    assert offsets(store) == {"0": "3", "1": "6", "11": "5"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read (No such file or directory): name it with --offsets-file"),
        (b"no map", "is no offset file of a Connect worker (it does not begin as Java's serialized objects do)"),
    ],
)
def test_an_offset_file_that_cannot_be_read(
    content: bytes | None, why: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    if content is not None:
        other.write_bytes(content)
    assert main(["migrate", *files, "--apply", "--offsets-file", str(other)]) == EXIT_UNAVAILABLE
    assert why in capsys.readouterr().err


def test_positions_of_another_connector_alone_are_told(
    tmp_path: Path, store: FileCheckpointStore, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, source, _ = write_files_of_the_old_connector(tmp_path)
    write(source, {**SOURCE, "name": "renamed", "IotHub.EventHubCompatibleName": EVENT_HUB})
    assert main(["migrate", str(worker), str(source), "--apply"]) == EXIT_UNAVAILABLE
    told = f"has no positions of connector renamed for {EVENT_HUB}; those of connector {OWNER.connector} for {EVENT_HUB} are"
    assert told in capsys.readouterr().err
    assert offsets(store) == {}


def test_a_value_from_elsewhere_settles_a_property_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = write(tmp_path / "worker", WORKER)
    source = write(tmp_path / "source", {**SOURCE, "IotHub.AccessKeyValue": "PLACEHOLDER", "IotHub.StartTime": "today"})
    command = ["migrate", str(worker), str(source)]
    assert main(command) == EXIT_CONFIG
    assert [line.partition(" = ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "ingest: config: source: IotHub.AccessKeyValue",
        "ingest: config: source: IotHub.StartTime",
    ]
    secret = "Endpoint=sb://ns/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=hub"
    monkeypatch.setenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING", secret)
    assert main([*command, "--set", "source.start=latest"]) == EXIT_OK


@pytest.mark.parametrize("option", ["--back", "--dry-run", "--json", "--offsets-topic=t"])
def test_options_of_taking_over_without_it_are_wrong_use(
    option: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["migrate", *files, option])
    assert raised.value.code == EXIT_USAGE
    assert f"{option.partition('=')[0]} goes with --apply" in capsys.readouterr().err
