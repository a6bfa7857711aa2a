"""`ingest run --connect` up to the service itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.cli.main import main
from ingest.config import Config
from ingest.errors import EXIT_CONFIG, EXIT_OK, EXIT_USAGE
from ingest.source.checkpoints import Scope
from ingest.source.checkpoints.file import FileCheckpointStore
from tests.migrate.samples import EVENT_HUB, SOURCE, write, write_files_of_the_old_connector


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, tuple[str, ...], Callable[[], Config]]]:
    """What the service is started with."""
    calls: list[tuple[Config, tuple[str, ...], Callable[[], Config]]] = []

    def run(config: Config, *, roles: tuple[str, ...], reload: Callable[[], Config]) -> int:
        calls.append((config, roles, reload))
        return EXIT_OK

    monkeypatch.setattr("ingest.service.run.run", run)
    return calls


def test_on_the_files_of_the_old_connector(
    started: list[tuple[Config, tuple[str, ...], Callable[[], Config]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker, source, sink = write_files_of_the_old_connector(tmp_path)
    command = [
        "run",
        "--connect",
        str(worker),
        str(source),
        str(sink),
        "--set",
        f"checkpoints.path={tmp_path}/positions",
    ]
    assert main([*command, "--set", "sink.units=2"]) == EXIT_OK
    [(config, roles, reload)] = started
    assert (config.source.topic, config.sink.units, roles) == ("iotin", 2, ("source", "sink"))
    assert "partition 0 goes on after the old connector's offset 4294967296" in capsys.readouterr().err
    store = FileCheckpointStore(tmp_path / "positions", Scope("ns.servicebus.windows.net", EVENT_HUB, "$Default"))
    assert len(store.load_all()) == 4
    assert reload() == config
    write(source, {**SOURCE, "Kafka.Topic": "another"})
    assert reload().source.topic == "another"


def test_one_file_is_wrong_use_and_a_wrong_file_a_wrong_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, source, _ = map(str, write_files_of_the_old_connector(tmp_path))
    with pytest.raises(SystemExit) as raised:
        main(["run", "--connect", worker])
    assert raised.value.code == EXIT_USAGE
    assert "--connect expects the worker's file, and the file of one connector" in capsys.readouterr().err
    assert main(["run", "--connect", source, worker]) == EXIT_CONFIG
    assert "connect-standalone.properties: connector.class: this is a worker's file" in capsys.readouterr().err
