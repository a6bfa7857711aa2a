"""[cluster] and what must go with it, in words."""

from pathlib import Path

import pytest

from ingest.config import load
from ingest.errors import ConfigError
from tests.config.samples import BLOB, EVENT_HUB

HUB = f'[hub]\nevent_hub_connection_string = "{EVENT_HUB}"\n'
CLUSTER = '[cluster]\ncoordination = "kafka"\n'
FILES = '[checkpoints]\nstore = "file"\n'


def problems(folder: Path, text: str) -> dict[str, str]:
    path = folder / "ingest.toml"
    path.write_text(HUB + text)
    try:
        load(path, environ={})
    except ConfigError as refused:
        return {problem.key: str(problem) for problem in refused.problems}
    return {}


@pytest.mark.parametrize(
    "text",
    [
        FILES,
        CLUSTER + "shared_checkpoint_folder = true\n" + FILES,
        CLUSTER + FILES + '[source]\ndelivery = "exactly_once"\n',
        CLUSTER + f'[checkpoints]\nblob_connection_string = "{BLOB}"\n',
    ],
)
def test_nodes_that_find_the_same_positions(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == {}


def test_a_folder_of_one_node_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, CLUSTER + FILES)
    assert found.keys() == {"checkpoints.store"}
    for way_out in ('"blob"', 'source.delivery = "exactly_once"', "cluster.shared_checkpoint_folder = true"):
        assert way_out in found["checkpoints.store"]


def test_a_list_of_partitions_is_refused(tmp_path: Path) -> None:
    text = CLUSTER + "shared_checkpoint_folder = true\n" + FILES + '[source]\npartitions = ["0", "1"]\n'
    assert problems(tmp_path, text).keys() == {"source.partitions"}


def test_no_other_coordination_is_known(tmp_path: Path) -> None:
    assert (
        '"none", "kafka", "blob"'
        in problems(tmp_path, '[cluster]\ncoordination = "etcd"\n' + FILES)["cluster.coordination"]
    )


def test_ownership_blobs_need_their_account(tmp_path: Path) -> None:
    blob = CLUSTER.replace("kafka", "blob")
    assert problems(tmp_path, blob + FILES).keys() == {"cluster.coordination"}
    assert problems(tmp_path, blob + f'[checkpoints]\nblob_connection_string = "{BLOB}"\n') == {}
