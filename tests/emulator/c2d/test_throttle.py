import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.c2d.throttle import DailyQuota, TokenBucket, limits_of
from ingest.errors import IngestError

DAY = 86_400.0


def passed(bucket: TokenBucket, times: list[float]) -> int:
    return sum(bucket.take(now) for now in times)


def test_the_burst_passes_and_then_the_rate() -> None:
    bucket = TokenBucket(10.0, 20)
    assert passed(bucket, [0.0] * 50) == 20
    assert passed(bucket, [1.0] * 50) == 10
    assert passed(bucket, [100.0] * 50) == 20


def test_without_a_rate_everything_passes() -> None:
    assert passed(TokenBucket(None), [0.0] * 100_000) == 100_000


def test_the_rate_may_change_on_the_way() -> None:
    bucket = TokenBucket(100.0, 100)
    assert passed(bucket, [0.0] * 10) == 10
    bucket.set_rate(5.0)
    assert (bucket.rate, bucket.burst) == (5.0, 10.0)
    assert passed(bucket, [0.0] * 50) == 10
    assert passed(bucket, [1.0] * 50) == 5
    bucket.set_rate(None)
    assert passed(bucket, [1.0] * 50) == 50


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(10.0, 10)
    assert passed(bucket, [5.0] * 20) == 10
    assert passed(bucket, [4.0, 4.5]) == 0


@given(st.floats(0.5, 500), st.floats(1, 200), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_window_has_more_than_rate_and_burst(rate: float, burst: float, steps: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate, burst), 0.0, list[float]()
    for step in steps:
        now += step
        while bucket.take(now):
            taken.append(now)
    for start in range(0, len(taken), max(1, len(taken) // 50)):
        window = taken[-1] - taken[start]
        assert len(taken) - start <= burst + rate * window + 1e-6 * len(taken)


@pytest.mark.parametrize("numbers", [(0.0, None), (-1.0, None), (5.0, 0.5)])
def test_a_rate_that_lets_nothing_through_is_refused(numbers: tuple[float, float | None]) -> None:
    with pytest.raises(ValueError, match=r"not above 0|below 1"):
        TokenBucket(*numbers)


def test_the_quota_counts_by_meter_and_starts_anew_each_day() -> None:
    quota = DailyQuota(5)
    assert [quota.cost(size) for size in (0, 4096, 4097, 65_536)] == [1, 1, 2, 16]
    quota.spend(8192, DAY)
    quota.spend(8192, DAY)
    assert quota.used(DAY + 1) == 4
    assert quota.has_room(4096, DAY + 1)
    assert not quota.has_room(4097, DAY + 1)
    assert quota.has_room(4097, 2 * DAY)
    assert quota.used(2 * DAY) == 0


@pytest.mark.parametrize(
    ("tier", "units", "per_minute", "per_day"),
    [
        ("F1", 1, 100, 8_000),
        ("S1", 1, 100, 400_000),
        ("S2", 3, 300, 18_000_000),
        ("S3", 10, 50_000, 3_000_000_000),
    ],
)
def test_tiers(tier: str, units: int, per_minute: int, per_day: int) -> None:
    bucket, quota = limits_of(tier, units)
    assert bucket.rate == pytest.approx(per_minute / 60)
    assert quota.limit == per_day


@pytest.mark.parametrize(("tier", "units"), [("B1", 1), ("s1", 1), ("S3", 11), ("F1", 2), ("S1", 0)])
def test_what_is_not_on_sale(tier: str, units: int) -> None:
    with pytest.raises(IngestError, match=tier):
        limits_of(tier, units)


def test_no_tier_is_no_limit() -> None:
    bucket, quota = limits_of(None, 1)
    assert (bucket.rate, quota.limit) == (None, None)
