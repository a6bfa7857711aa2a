import threading
from unittest.mock import Mock

import pytest

from ingest.process.within import within
from ingest.timing import Deadline


def test_a_call_for_which_no_thread_can_be_started_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "_start_new_thread", Mock(side_effect=RuntimeError("can't start new thread")))
    call = Mock()
    assert within(Deadline(30.0), call)
    call.assert_called_once_with()
