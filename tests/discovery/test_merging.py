from pathlib import Path

import pytest

from ingest.config import Secret, load
from ingest.discovery.found import Found
from ingest.discovery.merging import merge_into
from ingest.errors import Refused
from tests.config.samples import IOT_HUB

FOUND = Found({("hub", "iot_hub_connection_string"): Secret(IOT_HUB), ("sink", "tier"): "S2"})


def merge(path: Path) -> tuple[str, ...]:
    return merge_into(path, FOUND, replace_secrets=False, environ={})


def test_a_new_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "ingest.toml"
    assert merge(path) == ()
    assert path.stat().st_mode & 0o777 == 0o600
    config = load(path, environ={}, for_command="sink")
    assert config.hub.iot_hub_connection_string.reveal() == IOT_HUB
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_file_is_closed_and_a_link_stays_one(tmp_path: Path) -> None:
    path, link = tmp_path / "real.toml", tmp_path / "ingest.toml"
    path.write_text('# mine\nsink.tier = "S1"\n')
    path.chmod(0o644)
    link.symlink_to(path)
    assert merge(link) == ("sink.tier was S1 and is S2 now.",)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("# mine\n")


def test_a_secret_of_its_own_file_is_read_where_the_configuration_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "ingest.toml"
    path.write_text('hub.iot_hub_connection_string_file = "iot-hub"\n')
    (tmp_path / "iot-hub").write_text(f"{IOT_HUB}\n")
    (tmp_path / "iot-hub").chmod(0o600)
    merge(path)
    assert IOT_HUB not in path.read_text()
    (tmp_path / "iot-hub").write_text("another")
    with pytest.raises(Refused, match=f"--write {path}: .*_file is set already"):
        merge(path)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(Refused, match="not UTF-8"):
        merge(tmp_path / "bad.toml")
    with pytest.raises(Refused, match="cannot be written"):
        merge(tmp_path / "no" / "ingest.toml")
    with pytest.raises(Refused, match="cannot be written"):
        merge(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.toml"]
