"""tests.services.processors: what is said when a processor cannot be built. That they run is tests/interop's matter."""

import importlib.util
from pathlib import Path

import pytest

from tests.services import ServiceError, processors

pytestmark = pytest.mark.services


def test_without_go_the_message_names_the_group_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServiceError, match=r"^Go is missing from this Python environment: .*--group test"):
        processors.go_processor()


def test_a_compilers_last_words_are_quoted_and_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("main.go", "go.mod", "go.sum"):
        (tmp_path / "go").mkdir(exist_ok=True)
        (tmp_path / "go" / name).write_text("no Go at all\n")
    monkeypatch.setattr(processors, "_SOURCES", tmp_path)
    for _ in range(2):
        with pytest.raises(ServiceError, match=r"(?s)^Go's event processor could not be built.*go\.mod.*no"):
            processors.go_processor()
