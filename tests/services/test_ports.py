"""tests.services.ports."""

import socket

import pytest

from tests.services.ports import ReservedPort


def test_a_server_may_listen_on_a_reserved_port_and_come_back() -> None:
    port = ReservedPort()
    for _ in range(2):
        assert not port.answers()
        with socket.create_server(("127.0.0.1", port.number)):
            assert port.answers()
    port.close()


def test_nobody_else_is_given_a_reserved_port() -> None:
    port = ReservedPort()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port.number))
    others = [ReservedPort() for _ in range(200)]
    assert len({port.number, *(other.number for other in others)}) == 201
    for reserved in (port, *others):
        reserved.close()
