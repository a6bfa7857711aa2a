import pytest

from ingest.hub.limits import COMMAND_BYTES, COMMANDS_PER_DEVICE, EVENT_BYTES, TIERS, Tier, sends_per_second


@pytest.mark.parametrize(
    ("tier", "units", "per_minute"),
    [("F1", 1, 100), ("S1", 1, 100), ("S1", 10, 1_000), ("S2", 3, 300), ("S3", 1, 5_000), ("S3", 10, 50_000)],
)
def test_the_documented_rates(tier: Tier, units: int, per_minute: int) -> None:
    assert sends_per_second(tier, units) * 60 == pytest.approx(per_minute)


def test_the_configuration_may_say_it_outright() -> None:
    assert sends_per_second("S3", 10, 2.5) == 2.5


def test_the_documented_limits() -> None:
    """Written a second time, as everything here believes the table: product, doctor and emulator."""
    assert (COMMAND_BYTES, EVENT_BYTES, COMMANDS_PER_DEVICE) == (65_536, 262_144, 50)
    assert {tier: (unit.messages_per_day, unit.meter_bytes, unit.most_units) for tier, unit in TIERS.items()} == {
        "F1": (8_000, 512, 1),
        "S1": (400_000, 4_096, 200),
        "S2": (6_000_000, 4_096, 200),
        "S3": (300_000_000, 4_096, 10),
    }
