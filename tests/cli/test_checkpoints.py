import json
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.cli import checkpoints
from ingest.config import Config, load
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from ingest.hub import event_hubs
from ingest.source import exactly_once
from ingest.source.checkpoints import Checkpoint, CheckpointStore, Scope, open_store
from tests.config.samples import COMPLETE

SCOPE = Scope("ihsuprod.servicebus.windows.net", "iothub-ehub-a-1", "$Default")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "ingest.toml"
    path.write_text(COMPLETE + 'store = "file"\npath = "positions"\n')
    path.chmod(0o600)
    return load(path, environ={}, for_command="checkpoints")


@pytest.fixture
def store(config: Config) -> CheckpointStore:
    """The store with partitions 0 and 7, as a partition process would have written it."""
    store = open_store(config.checkpoints, SCOPE)
    store.check()
    store.save(Checkpoint("0", "4611", 17))
    store.save(Checkpoint("7", "9000", 18))
    return store


def test_show(config: Config, store: CheckpointStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoints.show(config, partition=None, as_json=False) == EXIT_OK
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["PARTITION", "SEQUENCE", "NUMBER", "OFFSET", "SAVED", "READ", "FROM"]
    assert [row.split()[:3] for row in rows] == [["0", "17", "4611"], ["7", "18", "9000"]]
    assert [row.split()[-1].rpartition("/")[2] for row in rows] == ["0.json", "7.json"]
    assert checkpoints.show(config, partition="7", as_json=True) == EXIT_OK
    [row] = json.loads(capsys.readouterr().out)
    assert (row["partition"], row["sequenceNumber"], row["offset"]) == ("7", 18, "9000")
    assert row["saved"].endswith("+00:00")
    assert row["readFrom"].endswith("/7.json")


def test_show_nothing(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoints.show(config, partition=None, as_json=False) == EXIT_OK
    assert capsys.readouterr().out == "no checkpoints\n"


def test_reset_without_confirmation_only_says_what_it_would_do(
    config: Config, store: CheckpointStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoints.reset(config, partition=None, as_json=False, confirmed=False) == EXIT_USAGE
    shown = capsys.readouterr().out
    assert "would delete the checkpoint of partition 7" in shown
    assert "--yes" in shown
    assert len(store.load_all()) == 2


def test_reset_one_partition(config: Config, store: CheckpointStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoints.reset(config, partition="7", as_json=False, confirmed=True) == EXIT_OK
    assert capsys.readouterr().out == "deleted the checkpoint of partition 7\n"
    assert [checkpoint.partition for checkpoint in store.load_all()] == ["0"]


def test_reset_all(config: Config, store: CheckpointStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoints.reset(config, partition=None, as_json=True, confirmed=True) == EXIT_OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["deleted"] is True
    assert [row["partition"] for row in answer["checkpoints"]] == ["0", "7"]
    assert store.load_all() == []


def test_reset_nothing(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoints.reset(config, partition=None, as_json=False, confirmed=False) == EXIT_OK
    assert capsys.readouterr().out == "no checkpoints to delete\n"


@pytest.fixture
def damaged(config: Config, store: CheckpointStore) -> Path:
    """The file of partition 7, besides a sound one of partition 0."""
    [file] = config.checkpoints.path.rglob("7.json")
    file.write_text("{")
    return file


@pytest.mark.parametrize("partition", [None, "7"])
def test_show_names_a_damaged_one_beside_the_others(
    config: Config, damaged: Path, capsys: pytest.CaptureFixture[str], partition: str | None
) -> None:
    assert checkpoints.show(config, partition=partition, as_json=False) == EXIT_UNAVAILABLE
    shown = capsys.readouterr()
    assert [row.split()[0] for row in shown.out.splitlines()[1:]] == (["0"] if partition is None else [])
    assert f"checkpoint file {damaged} is damaged (it is not JSON)" in shown.err
    assert "ingest checkpoints reset -c … --partition 7 --yes" in shown.err
    assert checkpoints.show(config, partition="7", as_json=True) == EXIT_UNAVAILABLE
    [row] = json.loads(capsys.readouterr().out)
    assert (row["partition"], row["offset"]) == ("7", None)
    assert "it is not JSON" in row["damage"]


def test_reset_mends_a_damaged_one(
    config: Config, store: CheckpointStore, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoints.reset(config, partition="7", as_json=False, confirmed=False) == EXIT_USAGE
    assert "would delete the damaged checkpoint of partition 7" in capsys.readouterr().out
    assert damaged.exists()
    assert checkpoints.reset(config, partition="7", as_json=False, confirmed=True) == EXIT_OK
    assert capsys.readouterr().out == "deleted the damaged checkpoint of partition 7\n"
    assert store.load("7") is None
    assert [each.partition for each in store.load_all()] == ["0"]


def test_reset_of_all_deletes_damaged_ones_too(config: Config, store: CheckpointStore, damaged: Path) -> None:
    assert checkpoints.reset(config, partition=None, as_json=True, confirmed=True) == EXIT_OK
    assert store.load_all() == []


class OneLease:
    """A store whose partition 0 has nothing but a lease."""

    lease = Checkpoint("0", "700", 7, 0.0, "$Default/0", lease=True)

    def load(self, partition: str) -> Checkpoint:
        return self.lease

    def close(self) -> None: ...


def test_a_lease_is_shown_as_one_and_not_deleted(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.source.checkpoints.open_store", lambda *_: OneLease())
    assert checkpoints.show(config, partition="0", as_json=False) == EXIT_OK
    assert capsys.readouterr().out.endswith("$Default/0 (the lease of an old Event Processor Host)\n")
    assert checkpoints.reset(config, partition="0", as_json=False, confirmed=True) == EXIT_OK
    shown = capsys.readouterr()
    assert shown.out == "no checkpoints to delete\n"
    assert "--ignore-legacy-leases" in shown.err


def test_reset_deletes_the_positions_in_kafka_too(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the hub's partitions, as one can be there without a checkpoint."""
    once = replace(config, source=replace(config.source, delivery="exactly_once"))
    forgotten: list[str] = []
    monkeypatch.setattr(exactly_once, "forget_position", lambda config, name, deadline: forgotten.append(name))
    monkeypatch.setattr(event_hubs, "partition_ids", lambda config: ["0", "1"])
    assert checkpoints.reset(once, partition=None, as_json=False, confirmed=False) == EXIT_USAGE
    assert "would delete the position of partition 1 in ingest-positions" in capsys.readouterr().out
    assert forgotten == []
    assert checkpoints.reset(once, partition="1", as_json=True, confirmed=True) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == {"deleted": True, "checkpoints": [], "positions": ["1"]}
    assert forgotten == ["1"]
