import pytest

from ingest.hub.limits import Tier, sends_per_second


@pytest.mark.parametrize(
    ("tier", "units", "per_minute"),
    [("F1", 1, 100), ("S1", 1, 100), ("S1", 10, 1_000), ("S2", 3, 300), ("S3", 1, 5_000), ("S3", 10, 50_000)],
)
def test_the_documented_rates(tier: Tier, units: int, per_minute: int) -> None:
    assert sends_per_second(tier, units) * 60 == pytest.approx(per_minute)


def test_the_configuration_may_say_it_outright() -> None:
    assert sends_per_second("S3", 10, 2.5) == 2.5
