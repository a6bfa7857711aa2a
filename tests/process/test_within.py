from unittest.mock import Mock

from ingest.process.within import within
from ingest.timing import Deadline
from tests.process.scarce import no_more_threads


def test_a_call_for_which_no_thread_can_be_started_is_made_all_the_same() -> None:
    call = Mock()
    with no_more_threads():
        assert within(Deadline(30.0), call)
    call.assert_called_once_with()
