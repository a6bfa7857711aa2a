import sys
from multiprocessing import spawn

import pytest

from ingest.process import forkserver


def test_no_child_runs_the_program_that_has_started_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `bin/ingest` is one: a script without a spec. Each child would import the whole command line."""
    program = sys.modules["__main__"]
    monkeypatch.setattr(program, "__spec__", None)
    monkeypatch.setattr(program, "__file__", "/opt/ingest/current/bin/ingest", raising=False)
    assert spawn.get_preparation_data("")["init_main_from_path"] == "/opt/ingest/current/bin/ingest"
    forkserver.context([])
    told = spawn.get_preparation_data("")
    assert "init_main_from_path" not in told
    assert told["init_main_from_name"].endswith(".__main__"), "which a child leaves alone"
