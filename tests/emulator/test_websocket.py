"""AMQP inside WebSocket on the TLS ports: stock clients, refusals, frames cut anywhere."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, TransportType
from azure.eventhub.aio import EventHubConsumerClient as AsyncClient

from ingest.amqp.frames import SASL_HEADER
from ingest.emulator import Emulator
from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.websocket import accept_of
from ingest.hub.network.websocket_frames import FrameReader, frame
from tests.emulator.consumer import SECONDS, Consumer, tls_arguments

COUNT = 300
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"
UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "AMQPWSB10",
}


def arguments(emulator: Emulator) -> dict[str, Any]:
    return {**tls_arguments(emulator), "transport_type": TransportType.AmqpOverWebsocket}


def test_the_stock_client(emulator: Emulator) -> None:
    for index in range(COUNT):
        emulator.send(f"device-{index % 7}", b"%d" % index)
    stock = EventHubConsumerClient.from_connection_string(
        emulator.endpoints.event_hub_connection_string_tls, "$Default", **arguments(emulator)
    )
    with Consumer(stock) as consumer:
        events: list[EventData] = consumer.wait(COUNT)
    assert sorted(int(event.body_as_str()) for event in events) == list(range(COUNT))


def test_the_stock_client_of_asyncio(emulator: Emulator) -> None:
    emulator.send("device", b"x")

    async def ask() -> tuple[list[str], dict[str, Any]]:
        text = emulator.endpoints.event_hub_connection_string_tls
        async with AsyncClient.from_connection_string(text, "$Default", **arguments(emulator)) as stock:
            ids = await stock.get_partition_ids()
            return ids, await stock.get_partition_properties(emulator.partition_of("device"))

    ids, properties = asyncio.run(asyncio.wait_for(ask(), SECONDS))
    assert ids == ["0", "1"]
    assert properties["last_enqueued_sequence_number"] == 0


@contextmanager
def connected(emulator: Emulator) -> Iterator[ssl.SSLSocket]:
    port = int(emulator.endpoints.amqps.rpartition(":")[2])
    context = ssl.create_default_context(cafile=emulator.endpoints.ca_file)
    plain = socket.create_connection(("localhost", port), SECONDS)
    with context.wrap_socket(plain, server_hostname="localhost") as wire:
        yield wire


def request(path: str, **changed: str | None) -> bytes:
    headers = {name: value for name, value in {**UPGRADE, **changed}.items() if value is not None}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def until(wire: ssl.SSLSocket, done: Callable[[bytes], bool]) -> bytes:
    found = b""
    while not done(found):
        data = wire.recv(65536)
        if not data:
            break
        found += data
    return found


@pytest.mark.parametrize("path", ["/$servicebus/websocket", "/$servicebus/websocket/", "/$iothub/websocket?x=1"])
def test_the_upgrade_and_frames_cut_anywhere(emulator: Emulator, path: str) -> None:
    with connected(emulator) as wire:
        header = frame(frames.BINARY, SASL_HEADER[:3], MASK, final=False) + frame(frames.PING, b"hello", MASK)
        header += frame(frames.CONTINUATION, SASL_HEADER[3:], MASK)
        for byte in request(path) + header:
            wire.send(bytes((byte,)))
        reader, payload = FrameReader(masked=False), b""
        head, _, rest = until(wire, lambda found: b"\r\n\r\n" in found).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {accept_of(KEY)}".encode() in head
        assert accept_of(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the example of RFC 6455, section 1.3"
        payload += reader.feed(rest)
        while not (len(payload) > len(SASL_HEADER) and reader.controls):
            payload += reader.feed(wire.recv(65536))
        assert payload.startswith(SASL_HEADER)
        assert reader.controls == [(frames.PONG, b"hello")]
        reader.controls.clear()
        wire.send(frame(frames.CLOSE, frames.close_payload(1000), MASK))
        reader.feed(until(wire, lambda _: False))
        assert reader.controls == [(frames.CLOSE, frames.close_payload(1000))]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("/nowhere"), 404),
        (request("/$servicebus/websocket", **{"Sec-WebSocket-Protocol": "mqtt"}), 404),
        (request("/$servicebus/websocket", Upgrade=None), 404),
        (b"GET nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000, 400),
    ],
)
def test_what_is_no_request_for_it(emulator: Emulator, asked: bytes, status: int) -> None:
    with connected(emulator) as wire:
        wire.sendall(asked)
        assert until(wire, lambda _: False).startswith(b"HTTP/1.1 %d " % status)


def test_a_client_that_does_not_mask_is_told(emulator: Emulator) -> None:
    with connected(emulator) as wire:
        wire.sendall(request("/$servicebus/websocket") + frame(frames.BINARY, SASL_HEADER))
        reader = FrameReader(masked=False)
        reader.feed(until(wire, lambda _: False).partition(b"\r\n\r\n")[2])
        assert reader.controls == [(frames.CLOSE, frames.close_payload(1002, "a frame without a mask"))]
