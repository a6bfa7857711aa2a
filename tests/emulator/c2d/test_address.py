import socket

import pytest

from ingest.emulator import Emulator
from ingest.emulator.c2d import address
from ingest.errors import IngestError


def test_the_first_address_that_is_free() -> None:
    with address.bind(None) as first, address.bind(None) as second:
        names = [each.getsockname() for each in (first, second)]
        assert names[0] != names[1]
        assert all(host.startswith("127.0.0.") and port == address.AMQPS_PORT for host, port in names)


def test_an_address_that_is_taken() -> None:
    with address.bind(None) as taken:
        host = taken.getsockname()[0]
        with pytest.raises(IngestError, match=rf"Port 5671 of {host} cannot be listened on: .*in use"):
            address.bind(host)
        with pytest.raises(IngestError, match="in use"):
            Emulator(c2d_host=host).start()


def test_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: tuple[str, int]) -> socket.socket:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(IngestError, match=r"of 127\.0\.0\.1 to 127\.0\.0\.254 cannot"):
        address.bind(None)


def test_names() -> None:
    assert address.host_name("127.0.0.1") == "localhost"
    assert address.host_name("0.0.0.0") == "localhost"
    assert address.host_name("127.0.0.7") == "127.0.0.7"
