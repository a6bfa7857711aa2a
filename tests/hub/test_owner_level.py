from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Cluster, Config
from ingest.emulator import conditions
from ingest.hub.owner_level import SHARED, OwnerLevel, level_in, own_level

LEVELS = st.integers(0, (1 << 63) - 2)


@given(mine=LEVELS, present=LEVELS)
def test_a_process_that_comes_later_gets_in_whatever_its_clock_says(mine: int, present: int) -> None:
    level = OwnerLevel(lambda: mine * 1_000_000)
    level.refused(str(conditions.higher_epoch_present(present, mine)))
    assert level.value > present or (level.value == mine and mine > present)
    assert level.value >= mine


@given(mine=LEVELS, present=LEVELS)
def test_who_had_the_partition_does_not_take_it_back(mine: int, present: int) -> None:
    level = OwnerLevel(lambda: mine * 1_000_000)
    level.granted()
    level.refused(str(conditions.higher_epoch_present(present, mine)))
    assert level.value == mine


def test_other_words_change_nothing() -> None:
    level = OwnerLevel(lambda: 5_000_000)
    level.refused("amqp:unauthorized-access: no epoch of '7' here")
    level.refused(f"higher epoch '{(1 << 63) - 1}'")
    assert level.value == 5
    assert level_in("") is None


def test_who_shares_partitions_with_other_processors_has_their_level() -> None:
    level = own_level(Config(cluster=Cluster("blob")))
    level.refused(str(conditions.higher_epoch_present(7, SHARED)))
    assert level.value == SHARED
    assert own_level(Config(cluster=Cluster("kafka"))).value > SHARED
