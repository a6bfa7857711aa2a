"""How fast the emulator serves one partition to a reader that does nothing but count frames: it must never be the limit."""

import multiprocessing
import ssl
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import pytest

from bench.results import Results
from ingest.emulator import Emulator
from tests.emulator.raw_client import RawClient

EVENTS = 400_000
ROUNDS = 5
FRAME_BYTES = 600
_EVENT_OVERHEAD = 412
_WINDOW = 1 << 30


class Place(NamedTuple):
    address: str
    ca_file: str | None
    key: str
    hub: str


def read(place: Place, pipe: Connection) -> None:
    """Reads `EVENTS` frames; sends 0 when attached, waits for a go, and sends the bytes when all are there."""
    with RawClient(place.address) as client:
        if place.ca_file is not None:
            context = ssl.create_default_context(cafile=place.ca_file)
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        client.window = _WINDOW
        client.open()
        client.authorize(place.key, place.hub)
        client.attach_receiver(place.hub)
        client.receive_attach()
        pipe.send(0)
        pipe.recv()
        client.flow(0, EVENTS)
        pipe.send(client.count_transfers(EVENTS))


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_emulator_serving(benchmark: Any, results: Results, tls: bool) -> None:
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
            endpoints = emulator.endpoints
            address, ca_file = (endpoints.amqps, endpoints.ca_file) if tls else (endpoints.amqp, None)
            place = Place(address, ca_file, emulator.keys.service, emulator.hub.name)
            reader = context.Process(target=read, args=(place, theirs), daemon=True)
            reader.start()
            assert ours.recv() == 0
            return (ours, emulator.submit(thread_time()).result(10)), {}

        def serve(pipe: Connection, started: float) -> None:
            pipe.send(True)
            sizes.append(pipe.recv() / EVENTS)
            cpu_seconds.append(emulator.submit(thread_time()).result(10) - started)

        benchmark.pedantic(serve, setup=setup, rounds=ROUNDS)
    assert abs(sizes[0] - FRAME_BYTES) < 10
    results.add_row(
        benchmark,
        "emulator serving",
        {
            "runs": ROUNDS,
            "events": EVENTS,
            "cpu_us_per_event": round(min(cpu_seconds) / EVENTS * 1e6, 2),
            "events_per_second": round(EVENTS / benchmark.stats["median"]),
            "frame_bytes": FRAME_BYTES,
            "partitions": 1,
            "transport": None,
            "format": None,
            "tls": tls,
        },
    )
