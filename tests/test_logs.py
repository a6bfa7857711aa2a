import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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


def journal_of(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines that a log of all levels and a traceback makes when stderr is a file, and $JOURNAL_STREAM as given."""

    def log(log_format: str, journal: Callable[[Path], str] | None) -> list[str]:
        path = tmp_path / "stderr"
        with path.open("w", encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            monkeypatch.delenv("JOURNAL_STREAM", raising=False)
            if journal is not None:
                monkeypatch.setenv("JOURNAL_STREAM", journal(path))
            logs.configure(log_format, "debug")
            logger = logging.getLogger("ingest.x")
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
                logger.log(level, "line")
            try:
                raise ValueError("odd")
            except ValueError:
                logger.exception("Failed.")
        return path.read_text(encoding="utf-8").splitlines()

    return log


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_line_for_the_journal_begins_with_its_priority(logged: Callable[..., list[str]], log_format: str) -> None:
    lines = logged(log_format, journal_of)
    assert [line[:3] for line in lines[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert {line[:3] for line in lines[5:]} == {"<3>"}, "each line of a traceback is an entry of its own"
    if log_format == "json":
        assert json.loads(lines[5][3:])["exception"].startswith("Traceback")
    else:
        assert lines[-1] == "<3>  ValueError: odd"
        assert lines[1] == "<6>MainProcess line", "the journal has time and level itself"


@pytest.mark.parametrize("journal", [None, lambda _: "", lambda _: "8:12345", lambda path: f"{journal_of(path)}0"])
def test_elsewhere_lines_have_no_priority(
    logged: Callable[..., list[str]], journal: Callable[[Path], str] | None
) -> None:
    """The variable is inherited by everything that a service starts, and some of that writes to a file or a pipe."""
    assert not [line for line in logged("text", journal) if line.startswith("<")]


def test_a_stream_without_a_file_is_no_journal() -> None:
    assert not logs.is_journal(io.StringIO(), "8:12345")
    with Path(os.devnull).open("w", encoding="utf-8") as closed:
        pass
    assert not logs.is_journal(closed, "8:12345")


def test_what_was_held_back_is_counted_in_words() -> None:
    assert logs.and_more(0) == ""
    assert logs.and_more(3) == " (3 more like it)"


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


def test_keys_without_end_share_one_line() -> None:
    now = 0.0
    repeated = logs.Repeated(10.0, most=2, clock=lambda: now)
    assert [repeated.admit(key) for key in "abcda"] == [0, 0, 0, None, None]
    now = 10.0
    assert [repeated.admit(key) for key in "ef"] == [0, 1], "the old ones are forgotten; d shared the line of c"


def test_keys_of_any_length_take_bounded_memory() -> None:
    repeated = logs.Repeated(10.0, clock=lambda: 0.0)
    assert [repeated.admit(f"{number} {'x' * 100_000}") for number in range(2)] == [0, 0]
    assert sum(len(key) for key in repeated._last) < 1_000
    assert repeated.admit(f"1 {'x' * 100_000}") is None


HOSTILE = "gone\n2026-01-01T00:00:00+0000 INFO    main All is well.\x1b]0;owned\x07\x1b[2J\u202e\ud800"


def test_text_of_others_cannot_forge_a_line_or_command_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("text", "info")
    logging.getLogger("ingest.x").warning("Link ended: %s.", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("ingest.x").exception("Crashed.")
    first, second, *traceback = stream.getvalue().rstrip("\n").split("\n")
    assert first.endswith("Link ended: " + HOSTILE.encode("unicode_escape").decode() + ".")
    assert second.endswith("Crashed.")
    assert traceback
    assert all(line.startswith("  ") for line in traceback[1:])
    assert not {"\x1b", "\x07", "\u202e", "\ud800"} & set(stream.getvalue())


def test_json_takes_text_that_is_no_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "info")
    logging.getLogger("ingest.x").warning("Half a character: %s.", "\ud800")
    assert json.loads(stream.getvalue())["message"] == "Half a character: \\ud800."
