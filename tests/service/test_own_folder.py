"""Temporary folders of services that were killed go, those of the living stay."""

import os
import tempfile
from collections.abc import Iterator
from multiprocessing import process
from pathlib import Path
from typing import Any

import pytest

from ingest.service import own_folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    current: Any = process.current_process()
    before = current._config.get("tempdir")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    current._config.pop("tempdir", None)
    if before is not None:
        current._config["tempdir"] = before


def test_what_a_killed_service_left_is_cleaned_and_the_living_keep_theirs(folder: Path) -> None:
    killed, living = own_folder.claim(), own_folder.claim()
    assert killed is not None
    assert living is not None
    (killed.path / "listener-x").touch()
    other = folder / "pymp-of-somebody"
    other.mkdir()
    os.close(killed.lock)  # as the kernel does it
    own = own_folder.claim()
    assert own is not None
    assert set(folder.iterdir()) == {living.path, other, own.path}
    for each in (living, own):
        own_folder.leave(each)
    assert list(folder.iterdir()) == [other]


def test_one_that_is_being_made_is_left_until_it_is_old(folder: Path) -> None:
    half = folder / f"{own_folder.PREFIX}half"
    half.mkdir()
    own_folder.leave(own_folder.claim())
    assert half.exists()
    os.utime(half, (0, 0))
    own_folder.leave(own_folder.claim())
    assert not half.exists()


def test_a_machine_without_room_goes_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    assert own_folder.claim() is None
    assert list(folder.iterdir()) == []
