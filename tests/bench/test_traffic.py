"""The benchmarks' traffic is what its profiles say."""

import statistics

import pytest

from bench.traffic import FRAME_OVERHEAD_BYTES, PROFILES, fill, payloads
from ingest.emulator.telemetry.hub import Hub
from ingest.source.events.decoder import event_of

EVENTS = 200


@pytest.mark.parametrize("name", PROFILES)
def test_frames_have_the_size_of_the_profile(name: str) -> None:
    profile = PROFILES[name]
    frames = [FRAME_OVERHEAD_BYTES + len(message) for message in payloads(profile, EVENTS)]
    if profile.frame_bytes is not None:
        assert statistics.mean(frames) == pytest.approx(profile.frame_bytes, rel=0.03)
    elif name.endswith("fleet"):
        assert statistics.mean(frames) == pytest.approx(1_200, rel=0.05)


@pytest.mark.parametrize("name", PROFILES)
def test_a_seed_makes_the_same_bodies_and_each_event_differs(name: str) -> None:
    profile = PROFILES[name]
    first, second = ([made.body for made, _ in profile.events(EVENTS, 7)] for _ in range(2))
    assert first == second
    assert first != [made.body for made, _ in profile.events(EVENTS, 8)]
    assert len({made.encode() for made, _ in profile.events(EVENTS, 7)}) == EVENTS


def test_fleets_are_as_large_as_they_say() -> None:
    large = {event_of(message).device_id for message in payloads(PROFILES["large_fleet"], 2_000)}
    assert len(large) > 1_900
    assert len({event_of(message).device_id for message in payloads(PROFILES["uniform"], 2_000)}) == 100


def test_each_partition_of_a_hub_gets_as_many_events_of_its_own() -> None:
    hub = Hub(name="bench", partitions=3, consumer_groups=())
    fill(hub, PROFILES["mixed_fleet"], EVENTS)
    bodies = [[event_of(message).body for message in hub.read(partition, 0, EVENTS)[1]] for partition in hub.partitions]
    assert [len(each) for each in bodies] == [67, 67, 66]
    assert bodies[0][:10] != bodies[1][:10] != bodies[2][:10]
