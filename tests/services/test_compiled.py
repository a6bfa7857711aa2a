"""tests.services.compiled: what is built is kept until a source changes. What is said of failures: test_processors."""

from pathlib import Path

import pytest

from tests.services import cache, compiled


def test_a_program_is_built_once_and_again_when_a_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "go"
    folder.mkdir()
    for name in ("main.go", "go.mod", "go.sum"):
        (folder / name).write_text(name)
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.setattr(compiled, "_go", lambda: "go")
    built: list[str] = []

    def pretend(command: list[str], *_: object) -> None:
        built.append(command[0])
        Path(command[command.index("-o") + 1]).write_text("a program")

    monkeypatch.setattr(compiled, "_run", pretend)
    first = compiled.go_program(folder, "some", "Some program")
    assert (compiled.go_program(folder, "some", "Some program"), built) == (first, ["go"])
    (folder / "go.sum").write_text("another")
    assert compiled.go_program(folder, "some", "Some program") != first
    assert built == ["go", "go"]
    assert Path(first).read_text() == "a program"
