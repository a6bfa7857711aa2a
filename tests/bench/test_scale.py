"""bench.scale: what must hold of a cluster whatever the seed is, and that the page has the figures of today's program."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scale.blobs import REQUEST_SECONDS, Blobs
from bench.scale.figures import PAGE, in_page
from bench.scale.group import HEARTBEAT_SECONDS, SESSION_SECONDS, Group
from bench.scale.manners import DOTNET, GO, INGEST, JAVA, JAVASCRIPT, JAVASCRIPT_GREEDY, PYTHON, Manner


def test_the_page_has_the_figures_of_the_program() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == in_page(page), "run `python -m bench.scale --write`"


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        in_page("# Scale\n")


@settings(max_examples=25)
@given(st.integers(1, 64), st.integers(1, 6), st.integers())
def test_blobs_come_to_rest_with_even_shares(partitions: int, nodes: int, seed: int) -> None:
    world = Blobs(partitions, seed)
    for node in range(1, nodes + 1):
        world.join(node, node / 10)
    world.run(600)
    assert world.balanced()
    before = {node: set(theirs) for node, theirs in world.owned.items()}
    world.run(600)
    assert world.owned == before, "nobody takes anything from anybody any more"
    world.crash(1)
    taken_over = world.run(600, world.all_owned) if nodes > 1 else 0.0
    look = INGEST.interval * (1 + INGEST.jitter)
    assert taken_over <= INGEST.expiry + look * 2 + 2 * partitions * REQUEST_SECONDS


MAKES = st.lists(st.sampled_from((INGEST, DOTNET, GO, JAVA, JAVASCRIPT, JAVASCRIPT_GREEDY, PYTHON)), max_size=5)
RESTS_SECONDS = 3_000.0
"""Python's and Java's processors take one partition each half minute."""


@settings(max_examples=25)
@given(st.integers(1, 48), MAKES, st.integers())
def test_readers_of_several_makes_come_to_rest(partitions: int, makes: list[Manner], seed: int) -> None:
    assert changes_of_owner(partitions, [INGEST, *makes], seed) == 0


def test_readers_that_judge_each_other_too_early_fight() -> None:
    hasty = replace(INGEST, expiry=20.0)
    assert changes_of_owner(12, [hasty, PYTHON], 1) > 10


def changes_of_owner(partitions: int, makes: list[Manner], seed: int) -> int:
    """Returns how often a partition is taken from a reader in an hour, after all have had time to settle."""
    world = Blobs(partitions, seed)
    for node, make in enumerate(makes, 1):
        world.join(node, node / 10, make)
    world.run(RESTS_SECONDS)
    world.moves = 0
    world.run(3600)
    return world.moves


@settings(max_examples=25)
@given(st.integers(2, 1024), st.integers(2, 100), st.integers())
def test_a_group_hands_every_partition_on(partitions: int, nodes: int, seed: int) -> None:
    world = Group(partitions, seed)
    world.cold_start(nodes, 5)
    world.join(nodes + 1)
    assert world.crash(1) <= SESSION_SECONDS + HEARTBEAT_SECONDS + 1
    shares = world.shares.values()
    assert (sum(shares), max(shares) - min(shares) <= 1) == (partitions, True)
