"""What the source's pure parts cost, each by itself: CPU microseconds per event of one thread."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.events import payloads
from bench.results import Results
from ingest.amqp.message import decode_message
from ingest.hub.position import Position
from ingest.source.delivery.progress import Progress
from ingest.source.events.decoder import event_of
from ingest.source.events.template_decoder import TemplateDecoder
from ingest.source.formats import FORMATS

EVENTS = 20_000
ROUNDS = 7
FEW_DEVICES, MANY_DEVICES = 100, 10_000
BATCH = 500
TRANSPORT = {"azure_eventhub": "sdk", "ingest_shapes": "fast"}

sizes = pytest.mark.parametrize("frame_bytes", [200, 600, 4096])


def azure_eventhub(messages: list[bytes]) -> None:
    """The client's decoder, without the objects that it makes of the result."""
    from azure.eventhub._pyamqp._decode import decode_payload

    for message in messages:
        decode_payload(memoryview(message))


def ingest_amqp(messages: list[bytes]) -> None:
    """Ours for any message, as the emulator uses it."""
    for message in messages:
        decode_message(message)


def ingest_message(messages: list[bytes]) -> None:
    """An event of any message: what is unusual in the hot path."""
    for message in messages:
        event_of(message)


def ingest_shapes(messages: list[bytes]) -> None:
    """An event, by comparison with messages before: the hot path."""
    decode = TemplateDecoder().decode
    for message in messages:
        decode(message, 0, len(message))


@sizes
@pytest.mark.parametrize("decoder", [azure_eventhub, ingest_amqp, ingest_message, ingest_shapes])
def test_codec(benchmark: Any, results: Results, frame_bytes: int, decoder: Callable[[list[bytes]], None]) -> None:
    """Decoding alone. 100 devices."""
    messages = payloads(frame_bytes, EVENTS, FEW_DEVICES)
    name = decoder.__name__
    add_row(benchmark, results, "codec", lambda: decoder(messages), frame_bytes, transport=TRANSPORT.get(name), of=name)


def test_codec_many_devices(benchmark: Any, results: Results) -> None:
    """The hot path when no two messages in a row, nor any two thousand, are of one device."""
    messages = payloads(600, EVENTS, MANY_DEVICES)
    add_row(benchmark, results, "codec", lambda: ingest_shapes(messages), 600, transport="fast", of="10,000 devices")


@sizes
@pytest.mark.parametrize("record_format", FORMATS)
def test_record(benchmark: Any, results: Results, frame_bytes: int, record_format: str) -> None:
    """From the event to key, value and headers."""
    decode = TemplateDecoder().decode
    events = [decode(message, 0, len(message)) for message in payloads(frame_bytes, EVENTS, FEW_DEVICES)]
    encode = FORMATS[record_format]("0").encode

    def work() -> None:
        for event in events:
            encode(event)

    add_row(benchmark, results, "record", work, frame_bytes, record_format=record_format, of=record_format)


def test_progress(benchmark: Any, results: Results) -> None:
    """Batches of 500; every event acknowledged by itself, the batches in turn, ten of them open."""
    positions = [Position(str(number), number) for number in range(0, EVENTS, BATCH)]

    def work() -> None:
        progress = Progress()
        open_batches = []
        for position in positions:
            open_batches.append(progress.add(position, BATCH))
            if len(open_batches) == 10:
                batch = open_batches.pop(0)
                for _ in range(BATCH):
                    batch.pending -= 1
                progress.advance()

    add_row(benchmark, results, "progress", work, None, of=f"batches of {BATCH}")


def add_row(
    benchmark: Any,
    results: Results,
    name: str,
    work: Callable[[], None],
    frame_bytes: int | None,
    *,
    of: str,
    transport: str | None = None,
    record_format: str | None = None,
) -> None:
    """Best of several rounds: what disturbs only adds."""
    cpu_seconds: list[float] = []

    def once() -> None:
        started = time.thread_time()
        work()
        cpu_seconds.append(time.thread_time() - started)

    benchmark.pedantic(once, rounds=ROUNDS, warmup_rounds=1)
    cpu_us = min(cpu_seconds) / EVENTS * 1e6
    results.add_row(
        benchmark,
        name,
        {
            "of": of,
            "cpu_us_per_event": round(cpu_us, 2),
            "events_per_second": round(1e6 / cpu_us),
            "frame_bytes": frame_bytes,
            "partitions": None,
            "transport": transport,
            "format": record_format,
            "tls": None,
        },
    )
