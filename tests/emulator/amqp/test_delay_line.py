import asyncio
from functools import partial

from ingest.emulator.amqp.delay_line import DelayLine


def test_things_come_out_late_and_in_order() -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        line = DelayLine(loop)
        found: list[int] = []
        done = asyncio.Event()
        started = loop.time()
        due: list[float] = []

        def arrive(number: int) -> None:
            found.append(number)
            due.append(loop.time())

        for number, seconds in enumerate((0.05, 0.01, 0.0)):
            line.push(seconds, 10, partial(arrive, number))
        line.push(0.0, 10, done.set)
        assert line.held_bytes == 40
        assert found == []
        await asyncio.wait_for(done.wait(), 10)
        assert min(due) >= started + 0.05
        assert line.held_bytes == 0
        return found

    assert asyncio.run(run()) == [0, 1, 2]


def test_without_a_delay_nothing_waits() -> None:
    async def run() -> list[str]:
        line = DelayLine(asyncio.get_running_loop())
        found: list[str] = []
        line.push(0.0, 1, lambda: found.append("now"))
        return found

    assert asyncio.run(run()) == ["now"]


def test_what_is_cleared_never_comes() -> None:
    async def run() -> list[str]:
        line = DelayLine(asyncio.get_running_loop())
        found: list[str] = []
        done = asyncio.Event()
        line.push(0.01, 1, lambda: found.append("dropped"))
        line.clear()
        line.push(0.02, 1, done.set)
        await asyncio.wait_for(done.wait(), 10)
        return found

    assert asyncio.run(run()) == []
