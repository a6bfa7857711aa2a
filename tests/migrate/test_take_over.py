from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Checkpoints, Config, Hub, Secret
from ingest.errors import Refused
from ingest.migrate.connect_files import SavedAt
from ingest.migrate.positions import Owner
from ingest.migrate.take_over import apply, plan, saved_positions, take_over_missing
from ingest.source.checkpoints import Checkpoint, Scope
from ingest.source.checkpoints.file import FileCheckpointStore
from tests.migrate.samples import EVENT_HUB, OFFSETS

OWNER = Owner("AzureIotHubConnector", EVENT_HUB)
HUB = f"Endpoint=sb://ns/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath={EVENT_HUB}"
_NUMBERS = st.integers(-1, 50)


@given(st.dictionaries(st.sampled_from("0123"), _NUMBERS), st.dictionaries(st.sampled_from("0123"), _NUMBERS))
def test_of_numbers_the_larger_one_is_ahead(saved: dict[str, int], there: dict[str, int]) -> None:
    moves = plan(
        {partition: str(offset) for partition, offset in saved.items()},
        [Checkpoint(partition, str(offset), offset) for partition, offset in there.items()],
    )
    assert [move.checkpoint.partition for move in moves] == list(saved)
    for move in moves:
        mine, found = saved[move.checkpoint.partition], there.get(move.checkpoint.partition)
        assert move.outcome == ("save" if found is None or found < mine else "same" if found == mine else "ahead")


@pytest.mark.parametrize(
    ("mine", "found", "outcome"),
    [
        ("7", Checkpoint("0", None, 3), "unclear"),
        ("1:4295:7", Checkpoint("0", "1:4295:6", 3), "unclear"),
        ("1:4295:7", Checkpoint("0", "1:4295:7", 3), "same"),
        ("7", Checkpoint("0", "-1", -1), "save"),
        ("-1", Checkpoint("0", "1:4295:7", 3), "ahead"),
        ("-1", Checkpoint("0", None, 3), "ahead"),
    ],
)
def test_what_cannot_be_compared_is_unclear(mine: str, found: Checkpoint, outcome: str) -> None:
    assert [move.outcome for move in plan({"0": mine}, [found])] == [outcome]


def store_in(folder: Path) -> FileCheckpointStore:
    store = FileCheckpointStore(folder, Scope("ns", EVENT_HUB, "$Default"))
    store.check()
    return store


def config_in(folder: Path) -> Config:
    return Config(hub=Hub(event_hub_connection_string=Secret(HUB)), checkpoints=Checkpoints(store="file", path=folder))


def test_what_another_process_changes_meanwhile_stays(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    moves = plan({"0": "7"}, store.load_all())
    store.save(Checkpoint("0", "9", 9))
    with pytest.raises(Refused, match="partition 0 was changed by another process: stop the ingest that runs"):
        apply(store, moves)
    assert [each.offset for each in store.load_all()] == ["9"]


def test_only_partitions_without_a_checkpoint_take_over_at_a_start(tmp_path: Path) -> None:
    store, saved = store_in(tmp_path), SavedAt(file=OFFSETS)
    store.save(Checkpoint("0", "7", 7))
    damaged = Path(store.save(Checkpoint("1", "7", 7)).place or "")
    damaged.write_bytes(b"{")
    done = take_over_missing(config_in(tmp_path), saved, OWNER)
    assert [move.checkpoint.partition for move in done] == ["2", "3"]
    assert {each.partition: each.offset for each in store.load_all([])} == {
        "0": "7",
        "2": "-1",
        "3": "1:4295:8589934592",
    }
    assert damaged.read_bytes() == b"{"
    assert take_over_missing(config_in(tmp_path), saved, OWNER) == []


@pytest.mark.parametrize("saved", [SavedAt(), SavedAt(file=Path("/nowhere/connect.offsets"))])
def test_a_worker_that_has_saved_nothing_is_no_obstacle_to_a_start(saved: SavedAt, tmp_path: Path) -> None:
    assert take_over_missing(config_in(tmp_path), saved, OWNER) == []


def test_a_position_that_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    content = OFFSETS.read_bytes().replace(b'"4294967296"', b'"429496\'296"')
    (tmp_path / "offsets").write_bytes(content)
    with pytest.raises(Refused, match=r"the saved position of partition 0 of .* cannot be taken over"):
        saved_positions(config_in(tmp_path), SavedAt(file=tmp_path / "offsets"), OWNER)


def test_an_empty_file_has_no_positions_and_no_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "offsets").touch()
    assert dict(saved_positions(config_in(tmp_path), SavedAt(file=tmp_path / "offsets"), OWNER).offsets) == {}
    with pytest.raises(Refused, match="give --offsets-file or --offsets-topic"):
        saved_positions(config_in(tmp_path), SavedAt(), OWNER)
