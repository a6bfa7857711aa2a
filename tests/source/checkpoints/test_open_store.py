"""Which store `[checkpoints]` asks for, and what it costs to import."""

import subprocess
import sys
from pathlib import Path

from ingest.config import Checkpoints, Secret
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.blob import BlobStore
from ingest.source.checkpoints.file import FileCheckpointStore
from tests.source.checkpoints.contract import SCOPE, position, without_time


def test_file(tmp_path: Path) -> None:
    store = open_store(Checkpoints(store="file", path=tmp_path), SCOPE)
    assert isinstance(store, FileCheckpointStore)
    store.save(position("0", 1))
    assert without_time(open_store(Checkpoints(store="file", path=tmp_path), SCOPE).load("0")) == position("0", 1)


def test_blob() -> None:
    text = "AccountName=x;AccountKey=AAAA;BlobEndpoint=http://127.0.0.1:1/x"
    store = open_store(Checkpoints(store="blob", blob_connection_string=Secret(text)), SCOPE)
    assert isinstance(store, BlobStore)
    store.close()


def test_file_checkpoints_do_not_load_the_storage_client() -> None:
    code = (
        "import sys, ingest.source.checkpoints, ingest.source.checkpoints.file, ingest.source.checkpoints.writer;"
        "print([name for name in sys.modules if name.startswith('azure')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
