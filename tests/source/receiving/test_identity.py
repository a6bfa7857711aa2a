"""Whether the hub is still the one of the checkpoint."""

from ingest.source.checkpoints import Checkpoint
from ingest.source.receiving.identity import Identity

MADE = 1_700_000_000_000


def saved(seconds_after: float, created_ms: int | None = None) -> Checkpoint:
    """By a hub made at `created_ms`, so long after `MADE`."""
    return Checkpoint("0", "10", 1, MADE / 1000 + seconds_after, hub_created_ms=created_ms)


def test_the_hub_that_a_checkpoint_names() -> None:
    assert Identity(saved(-999, MADE), MADE).contradiction is None, (
        "whatever the clock that the checkpoint was saved by"
    )
    assert Identity(saved(999, MADE), MADE + 1_000).contradiction is None, "times are rounded"
    assert "made at 2023-11-14T22:13:22+00:00, not at" in str(Identity(saved(999, MADE), MADE + 2_000).contradiction)


def test_a_checkpoint_that_names_no_hub_is_judged_by_its_time() -> None:
    assert Identity(saved(10), MADE).contradiction is None
    assert Identity(saved(-0.9), MADE).contradiction is None, "a blob's time is in whole seconds"
    assert "after the checkpoint of 2023-11-14T22:13:10+00:00 was saved" in str(
        Identity(saved(-10), MADE).contradiction
    )


def test_nothing_is_known_without_a_checkpoint() -> None:
    identity = Identity(None, MADE)
    assert (identity.contradiction, identity.created_ms) == (None, MADE)
    assert Identity(None, None).created_ms is None


def test_every_attach_but_the_first_after_an_answer_asks_anew() -> None:
    fresh = Identity(saved(10), MADE)
    fresh.attached()
    assert fresh.settled
    fresh.attached()
    assert not fresh.settled
    assert fresh.heard(None) is None
    assert not fresh.settled
    assert fresh.heard(MADE) is None
    assert fresh.settled
    unasked = Identity(saved(10), None)
    unasked.attached()
    assert not unasked.settled


def test_a_hub_made_anew_is_told_once() -> None:
    identity = Identity(saved(10), MADE)
    assert identity.heard(MADE + 60_000) is not None
    assert identity.heard(MADE + 60_000) is None
    assert identity.created_ms == MADE + 60_000
    late = Identity(saved(-10), None)
    assert late.contradiction is None
    assert late.heard(MADE) is not None
    assert late.heard(MADE) is None


def test_a_numbering_that_began_anew_belongs_to_the_hub_that_answers_next() -> None:
    identity = Identity(saved(10, MADE), None)
    identity.forget()
    assert identity.created_ms is None
    assert identity.heard(MADE + 60_000) is None
    assert identity.created_ms == MADE + 60_000
    assert identity.settled
