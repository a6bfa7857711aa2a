"""Where a partition begins."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.config import At, Earliest, Latest, Offsets, Source
from ingest.hub.position import BEFORE_FIRST, EARLIEST, Position, StartAt
from ingest.hub.standing import Standing
from ingest.source.checkpoints import Checkpoint
from ingest.source.receiving.start import resolve, start_at

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HELD = Standing(0, 99, "990", int(NOW.timestamp() * 1000) - 10_000, False, 0.0)
EXPIRED = Standing(100, 99, "990", HELD.newest_ms, True, 0.0)
NEVER = Standing(0, -1, "-1", -62_135_596_800_000, True, 0.0)
BEFORE = Checkpoint("3", "-1", -1)
BEHIND = Checkpoint("3", "990", 99)


@pytest.mark.parametrize(
    ("start", "told", "expected"),
    [
        (Latest(), HELD, BEHIND),
        (Latest(), EXPIRED, BEHIND),
        (Latest(), NEVER, BEFORE),
        (Offsets({"3": "@latest"}), HELD, BEHIND),
        (At(NOW - 9 * SECOND), HELD, BEHIND),
        (At(NOW), HELD, BEHIND),
        (At(NOW), NEVER, BEFORE),
        (At(NOW - 10 * SECOND), HELD, None),
        (At(NOW - timedelta(days=30)), HELD, None),
    ],
)
def test_what_moves_is_resolved_once(start: At | Latest | Offsets, told: Standing, expected: Checkpoint | None) -> None:
    assert resolve(Source(start=start), "3", NOW, lambda: told) == expected


@pytest.mark.parametrize("start", [Earliest(), Offsets({"3": "77"}), Offsets({"4": "@latest"}), At(NOW + SECOND)])
def test_what_stays_is_not_asked_about(start: At | Earliest | Offsets) -> None:
    def ask() -> Standing:
        raise AssertionError("the hub is asked")

    assert resolve(Source(start=start), "3", NOW, ask) is None


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        (BEHIND, (StartAt("990"), Position("990", 99))),
        (BEFORE, (StartAt(EARLIEST), BEFORE_FIRST)),
        (Checkpoint("3", None, 49), (StartAt(49), Position(None, 49))),
        (Checkpoint("3", "990", None), (StartAt("990"), None)),
        (None, (StartAt("77"), None)),
    ],
)
def test_a_checkpoint_comes_before_the_configuration(
    checkpoint: Checkpoint | None, expected: tuple[StartAt, Position | None]
) -> None:
    assert start_at(Source(start=Offsets({"3": "77"})), "3", checkpoint) == expected
