"""bench.scale: what must hold of a cluster whatever the seed is, and that the page has the figures of today's program."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scale.blobs import JITTER, REQUEST_SECONDS, Blobs
from bench.scale.figures import PAGE, in_page
from bench.scale.group import HEARTBEAT_SECONDS, SESSION_SECONDS, Group
from ingest.cluster.blob_group import EXPIRY_SECONDS, INTERVAL_SECONDS


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
    assert taken_over <= EXPIRY_SECONDS + INTERVAL_SECONDS * (1 + JITTER) * 2 + 2 * partitions * REQUEST_SECONDS


@settings(max_examples=25)
@given(st.integers(2, 1024), st.integers(2, 100), st.integers())
def test_a_group_hands_every_partition_on(partitions: int, nodes: int, seed: int) -> None:
    world = Group(partitions, seed)
    world.cold_start(nodes, 5)
    world.join(nodes + 1)
    assert world.crash(1) <= SESSION_SECONDS + HEARTBEAT_SECONDS + 1
    shares = world.shares.values()
    assert (sum(shares), max(shares) - min(shares) <= 1) == (partitions, True)
