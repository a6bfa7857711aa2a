"""How the emulator's listener ends: no client is left connected, whatever it has said so far."""

import asyncio
import select
import socket
import ssl
import time
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from ingest.emulator.certificate import make_certificate
from ingest.emulator.control.faults import Faults
from ingest.emulator.mqtt.server import MqttServer
from ingest.emulator.server import AmqpServer

HOST = "127.0.0.1"
SECONDS = 10.0


def client_context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def is_cut_off(client: socket.socket, _: ssl.SSLContext | None = None) -> bool:
    """Whether the other side ends the connection in time; nothing else may come."""
    client.settimeout(SECONDS)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:  # reset
        return True


@pytest.mark.parametrize("said", [b"", b"GE", b"GET /$servicebus/websocket HTTP/1.1\r\n"])
def test_the_end_cuts_off_who_has_not_said_yet_how_he_talks(said: bytes) -> None:
    with Emulator() as emulator:
        port = int(emulator.endpoints.amqps.rpartition(":")[2])
        context = client_context(emulator.endpoints.ca_file)
        client = context.wrap_socket(socket.create_connection((HOST, port)), server_hostname="localhost")
        # A server's tickets come with the end of its handshake.
        assert select.select([client], [], [], SECONDS)[0]
        client.sendall(said)
    with client:
        assert is_cut_off(client)


async def listening(kind: str, parts: Emulator, tls: ssl.SSLContext) -> tuple[int, AmqpServer | MqttServer]:
    """A listener on the running loop, with the hub of `parts`, which is not started."""
    if kind == "mqtt":
        mqtt = MqttServer(parts.devices, parts.hub.publish, parts.c2d.hub, tls, time.time, port=0)
        return await mqtt.start(HOST), mqtt
    loop = asyncio.get_running_loop()
    amqp = AmqpServer(parts.hub, parts.keys, time.time, loop=loop, idle_seconds=60, changed=lambda: None)
    amqp.faults = Faults(parts.hub, amqp, lambda function: function())
    return await amqp.listen(HOST, tls if kind == "amqps" else None), amqp


@pytest.mark.parametrize("kind", ["amqp", "amqps", "mqtt"])
def test_the_end_cuts_off_who_is_just_coming_up(kind: str, tmp_path: Path) -> None:
    """The listener has taken the connection, and the server does not know it yet."""
    certificate = make_certificate(tmp_path, ("localhost", HOST))
    context = client_context(str(certificate.ca_file))

    async def come_late() -> None:
        port, server = await listening(kind, parts, certificate.server_context())
        with socket.create_connection((HOST, port)) as client:
            # The first turn of the loop takes the connection; the second would make it known.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await server.close()
            cut_off = is_cut_off if kind == "amqp" else is_cut_off_after_handshake
            assert await asyncio.to_thread(cut_off, client, context)

    parts = Emulator()
    try:
        asyncio.run(come_late())
    finally:
        parts.close()


def is_cut_off_after_handshake(client: socket.socket, context: ssl.SSLContext) -> bool:
    client.settimeout(SECONDS)
    try:
        secure = context.wrap_socket(client, server_hostname="localhost")
    except OSError as error:
        return not isinstance(error, TimeoutError)
    with secure:
        return is_cut_off(secure)
