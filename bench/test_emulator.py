"""How fast the emulator serves one partition to a reader that does nothing but count frames."""

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from ingest.emulator import Emulator
from tests.emulator.raw_client import RawClient

EVENTS = 400_000
FRAME_BYTES = 600
_EVENT_OVERHEAD = 412
_WINDOW = 1 << 30


def read(address: str, key: str, hub: str, pipe: Connection) -> None:
    """Reads `EVENTS` frames; sends 0 when attached, waits for a go, and sends the bytes when all are there."""
    with RawClient(address) as client:
        client.window = _WINDOW
        client.open()
        client.authorize(key, hub)
        client.attach_receiver(hub)
        client.receive_attach()
        pipe.send(0)
        pipe.recv()
        client.flow(0, EVENTS)
        pipe.send(client.count_transfers(EVENTS))


def test_emulator_serving(benchmark: Any) -> None:
    """Events per second from the log to a socket, and CPU microseconds of the serving thread per event."""
    context = multiprocessing.get_context("spawn")
    cpu_seconds = []
    sizes = []
    with Emulator(partitions=1) as emulator:
        body = b"x" * (FRAME_BYTES - _EVENT_OVERHEAD)
        emulator.send_many(("device-0001", body, {}) for _ in range(EVENTS))

        async def thread_time() -> float:
            return time.thread_time()

        def setup() -> tuple[tuple[Connection, float], dict[str, Any]]:
            ours, theirs = context.Pipe()
            where = (emulator.endpoints.amqp, emulator.keys.service, emulator.hub.name)
            reader = context.Process(target=read, args=(*where, theirs), daemon=True)
            reader.start()
            assert ours.recv() == 0
            return (ours, emulator.submit(thread_time()).result(10)), {}

        def serve(pipe: Connection, started: float) -> None:
            pipe.send(True)
            sizes.append(pipe.recv() / EVENTS)
            cpu_seconds.append(emulator.submit(thread_time()).result(10) - started)

        benchmark.pedantic(serve, setup=setup, rounds=5)
    assert abs(sizes[0] - FRAME_BYTES) < 10
    benchmark.extra_info["events_per_second"] = round(EVENTS / benchmark.stats["median"])
    benchmark.extra_info["cpu_microseconds_per_event"] = round(min(cpu_seconds) / EVENTS * 1e6, 2)
    benchmark.extra_info["mean_frame_bytes"] = round(sizes[0])
