"""Positions are handed over between ingest and the processors of other languages, in both directions: nothing is lost,
and nothing comes twice but what a killed reader had not covered by a checkpoint."""

from collections.abc import Callable

import pytest

from tests.interop.chain import Chain
from tests.interop.conftest import PROCESSORS
from tests.interop.reader import Reader

pytestmark = [pytest.mark.services, pytest.mark.faults]


@pytest.mark.parametrize("language", PROCESSORS)
def test_after_a_stop_and_after_a_kill(chain: Chain, new_reader: Callable[[str], Reader], language: str) -> None:
    chain.stop(new_reader(language))
    chain.stop(new_reader("ingest"))
    chain.kill(new_reader(language))
    chain.kill(new_reader("ingest"))
    chain.stop(new_reader(language))
    print(chain.story())
    assert chain.lost() == []


def test_between_processors_that_do_not_find_each_others_checkpoints(
    chain: Chain, new_reader: Callable[[str], Reader]
) -> None:
    """Go keeps the case of names in the paths of its checkpoints, the others do not: ingest goes between."""
    chain.stop(new_reader("go"))
    chain.stop(new_reader("ingest"))
    chain.kill(new_reader("javascript"))
    chain.stop(new_reader("ingest"))
    chain.stop(new_reader("go"))
    print(chain.story())
    assert chain.lost() == []


def test_from_a_position_before_the_first_event(chain: Chain, new_reader: Callable[[str], Reader]) -> None:
    """ingest keeps what `source.start = "latest"` meant when it came, and what comes later is the successor's."""
    chain.idle(new_reader("ingest"))
    chain.stop(new_reader("javascript"))
    print(chain.story())
    assert chain.lost() == []
