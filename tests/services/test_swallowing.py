"""tests.services.swallowing: old connections fall silent without an end, new ones pass."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.services.swallowing import SwallowingProxy


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        def accept() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        host, port = server.getsockname()
        yield f"{host}:{port}"
        server.shutdown(socket.SHUT_RDWR)


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_old_connections_fall_silent_and_new_ones_pass(echo: str) -> None:
    with SwallowingProxy(echo) as proxy, _connect(proxy.address) as old:
        old.sendall(b"before")
        assert old.recv(100) == b"before"
        assert proxy.swallow() == 1
        old.sendall(b"lost")
        with _connect(proxy.address) as new:
            new.sendall(b"after")
            assert new.recv(100) == b"after"
        old.settimeout(0.3)
        with pytest.raises(TimeoutError):
            old.recv(100)


def test_new_connections_lead_nowhere_until_it_is_healed(echo: str) -> None:
    with SwallowingProxy(echo) as proxy:
        assert proxy.swallow(new=True) == 0
        with _connect(proxy.address) as dead:
            dead.sendall(b"lost")
            dead.settimeout(0.3)
            with pytest.raises(TimeoutError):
                dead.recv(100)
            proxy.heal()
            with _connect(proxy.address) as alive:
                alive.sendall(b"after")
                assert alive.recv(100) == b"after"
                assert proxy.carrying == 1


def test_an_end_passes_where_nothing_is_swallowed(echo: str) -> None:
    with SwallowingProxy(echo) as proxy, _connect(proxy.address) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
