import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from ingest import logs


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_carry_the_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "info")
    logging.getLogger("ingest.x").info("Took %d events.", 3)
    logging.getLogger("ingest.x").debug("not shown")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["message"] == "Took 3 events."
    assert (entry["level"], entry["logger"]) == ("info", "ingest.x")


def test_json_lines_carry_the_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "info")
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("ingest.x").exception("Failed.")
    assert "ValueError: odd" in json.loads(stream.getvalue())["exception"]


def test_text_lines_are_one_line_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("text", "warning")
    logging.getLogger("ingest.x").warning("Slow.")
    assert stream.getvalue().rstrip().endswith("Slow.")
    assert "WARNING" in stream.getvalue()


def test_repeated_lines_are_held_back_and_counted() -> None:
    now = 0.0
    repeated = logs.Repeated(10.0, clock=lambda: now)
    assert repeated.admit("down") == 0
    now = 5.0
    assert repeated.admit("down") is None
    assert repeated.admit("other") == 0
    now = 9.0
    assert repeated.admit("down") is None
    now = 10.0
    assert repeated.admit("down") == 2
    now = 20.0
    assert repeated.admit("down") == 0
