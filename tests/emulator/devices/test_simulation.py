import asyncio
import logging

import pytest

from ingest.emulator import Emulator
from ingest.emulator.devices.fleet import Fleet, Telemetry
from ingest.emulator.devices.simulation import SLICE_EVENTS, Progress, Simulation
from ingest.errors import IngestError

DEADLINE_SECONDS = 10


def test_all_events_arrive_in_order_while_the_loop_serves_others() -> None:
    events: list[Telemetry] = []

    async def main() -> int:
        simulation = Simulation(Fleet(3), 0, SLICE_EVENTS * 3 + 1, events.append)
        simulation.start()
        turns = 0
        while not simulation.progress().done:
            turns += 1
            await asyncio.sleep(0)
        per_device = {"device-0001": 251, "device-0002": 250, "device-0003": 250}
        assert sorted(simulation.progress().per_device.values()) == sorted(per_device.values())
        assert simulation.progress().events_sent == 751
        await simulation.close()
        return turns

    assert asyncio.run(main()) >= 3
    assert events == list(Fleet(3).take(751))


def test_a_paced_simulation_without_a_total_goes_on_until_it_is_closed() -> None:
    async def main() -> tuple[int, Progress, Progress]:
        enough = asyncio.Event()
        count = 0

        def publish(_: Telemetry) -> None:
            nonlocal count
            count += 1
            if count == 50:
                enough.set()

        simulation = Simulation(Fleet(2), 5000, 0, publish)
        simulation.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await enough.wait()
        await simulation.close()
        before = simulation.progress()
        await asyncio.sleep(0)
        return count, before, simulation.progress()

    count, before, after = asyncio.run(main())
    assert not after.done
    assert before == after
    assert after.events_sent == count == sum(after.per_device.values())


def test_a_hub_that_takes_no_events_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        failed = asyncio.Event()

        def publish(_: Telemetry) -> None:
            failed.set()
            raise RuntimeError("full")

        simulation = Simulation(Fleet(2), 0, 10, publish)
        simulation.start()
        await failed.wait()
        await simulation.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "stopped after 0 events" in caplog.text
    assert "full" in caplog.text


def test_an_emulator_simulates_one_fleet() -> None:
    with Emulator(partitions=2) as emulator:
        assert emulator.simulation() == Progress(0, {}, True)
        emulator.simulate(Fleet(2), events=10)
        stats = emulator.wait_for(
            lambda stats: sum(one.last_sequence_number + 1 for one in stats.partitions.values()) == 10, DEADLINE_SECONDS
        )
        assert stats.connections == 0
        assert emulator.simulation() == Progress(10, {"device-0001": 5, "device-0002": 5}, True)
        with pytest.raises(IngestError, match="simulated already"):
            emulator.simulate(Fleet(2), events=10)
