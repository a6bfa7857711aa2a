import errno
import logging
import os

import pytest

from ingest.process import outlive
from ingest.process.outlive import Outlive


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlive, "PAUSE_SECONDS", 0.0)


def test_what_runs_out_is_told_once_in_words(caplog: pytest.LogCaptureFixture) -> None:
    outlives = Outlive()
    for number in (errno.EMFILE, errno.EMFILE, errno.ENOSPC):
        with outlives:
            raise OSError(number, os.strerror(number))
    with outlives:
        raise MemoryError
    assert [record.message.partition(" (")[0].partition(".")[0] for record in caplog.records] == [
        "no file descriptor is left of those that this process may have",
        "no space is left on the file system",
        "no memory is left",
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_another_error_of_the_system_is_told_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    with Outlive():
        raise FileNotFoundError(errno.ENOENT, "No such file", "/there")
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_a_mistake_of_ours_is_none_of_its_business() -> None:
    with pytest.raises(ValueError, match="mistake"), Outlive():
        raise ValueError("mistake")
