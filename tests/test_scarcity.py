import errno
import os
import threading

import pytest

from ingest import scarcity


@pytest.mark.parametrize(
    "number",
    [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT],
    ids=errno.errorcode.get,
)
def test_each_is_said_with_what_to_raise(number: int) -> None:
    told = scarcity.words(OSError(number, os.strerror(number), "/var/lib/x"))
    assert told is not None
    assert told.endswith(": /var/lib/x")


def test_a_thread_that_cannot_be_started_is_known_by_python_s_words() -> None:
    big = threading.stack_size(1 << 46)  # more than any address space has
    try:
        with pytest.raises(RuntimeError) as caught:
            threading.Thread(target=print).start()
    finally:
        threading.stack_size(big)
    assert scarcity.words(caught.value) == scarcity.NO_TASK


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no"), RuntimeError("a bug"), ValueError("a bug")])
def test_others_are_none(error: Exception) -> None:
    assert scarcity.words(error) is None
