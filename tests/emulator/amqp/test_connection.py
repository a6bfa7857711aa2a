"""The connection itself: protocol headers, SASL, heartbeats, silence, and nonsense."""

from collections.abc import Callable

import pytest

from ingest.amqp.frames import AMQP_HEADER, EMPTY_FRAME, SASL_FRAME, SASL_HEADER, Frame, ProtocolHeader
from ingest.amqp.performatives import (
    Attach,
    Begin,
    Close,
    End,
    Error,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Transfer,
)
from ingest.emulator import Emulator
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import attach

SECONDS = 10.0


def closed_with(client: RawClient) -> Error:
    close = client.receive(Close)
    assert isinstance(close.error, Error)
    return close.error


def test_the_handshake(emulator: Emulator) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.socket.sendall(SASL_HEADER)
        assert client.next_item() == ProtocolHeader(SASL_HEADER)
        mechanisms = client.receive(SaslMechanisms).sasl_server_mechanisms
        assert set(mechanisms) == {"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"}
        client.send(SaslInit(mechanism="MSSBCBS"), kind=SASL_FRAME)
        assert client.receive(SaslOutcome).code == 0
        client.socket.sendall(AMQP_HEADER)
        assert client.next_item() == ProtocolHeader(AMQP_HEADER)
        client.send(Open(container_id="c"))
        answer = client.receive(Open)
        assert (answer.max_frame_size, answer.idle_time_out, answer.channel_max) == (65_536, 240_000, 4999)
        client.send(Begin(next_outgoing_id=5, incoming_window=1, outgoing_window=1))
        begun = client.receive(Begin)
        assert (begun.remote_channel, begun.next_outgoing_id, begun.handle_max) == (0, 1, 255)
        client.send(Close())
        assert client.receive(Close).error is None
        with pytest.raises(EOFError):
            client.next_item()


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("EXTERNAL", b""),
        ("SCRAM-SHA-256", b"n,,n=service"),
        ("PLAIN", None),
        ("PLAIN", b""),
        ("PLAIN", b"\0service"),
        ("PLAIN", b"\0a\0b"),
        ("PLAIN", b"\0\xff\0\xff"),
        ("PLAIN", b"\0service\0wrong"),
        ("PLAIN", b"\0service@sas.root.localhost\0wrong"),
        ("PLAIN", b"\0@sas.localhost\0x"),
    ],
)
def test_who_does_not_log_in_is_refused(emulator: Emulator, mechanism: str, response: bytes | None) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.socket.sendall(SASL_HEADER)
        client.send(SaslInit(mechanism=mechanism, initial_response=response), kind=SASL_FRAME)
        assert client.receive(SaslOutcome).code == 1
        with pytest.raises(EOFError):
            client.next_item()


@pytest.mark.parametrize("raw", [b"AMQP\x00\x01\x01\x00", b"AMQP\x03\x01\x00\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_who_speaks_something_else_is_hung_up_on(emulator: Emulator, raw: bytes) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.socket.sendall(raw)
        assert client.rest_until_hung_up() in ([], [ProtocolHeader(SASL_HEADER)])


def test_a_client_may_do_without_sasl(emulator: Emulator) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.socket.sendall(AMQP_HEADER)
        assert client.next_item() == ProtocolHeader(AMQP_HEADER)
        client.send(Open(container_id="raw"))
        client.receive(Open)
    emulator.wait_for(lambda stats: stats.connections == 0, SECONDS)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x99\x45",
        b"\x00\x02\x00\x00\x02\x00\x00\x00",
        b"\xff" * 16,
        b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x12\x45",
    ],
)
def test_nonsense_closes_the_connection_with_the_reason(
    connect: Callable[[], RawClient], emulator: Emulator, raw: bytes
) -> None:
    client = connect()
    client.socket.sendall(raw)
    error = closed_with(client)
    assert error.condition == "amqp:decode-error"
    assert error.description
    client.send(Close())
    emulator.wait_for(lambda stats: stats.connections == 0, SECONDS)


def test_a_handle_cannot_be_used_twice(connect: Callable[[], RawClient], emulator: Emulator) -> None:
    client = connect()
    attach(client, emulator)
    client.attach_receiver(emulator.hub.name)
    assert closed_with(client).condition == "amqp:connection:framing-error"


def test_a_transfer_to_no_link_ends_the_session(connect: Callable[[], RawClient], emulator: Emulator) -> None:
    client = connect()
    client.send(Transfer(handle=50, delivery_id=1))
    ended = client.receive(End)
    assert isinstance(ended.error, Error)
    assert ended.error.condition == "amqp:session:unattached-handle"


def test_ending_a_session_ends_its_links(connect: Callable[[], RawClient], emulator: Emulator) -> None:
    client = connect()
    attach(client, emulator)
    client.send(End())
    assert client.receive(End).error is None
    emulator.wait_for(lambda stats: stats.receivers == 0 and stats.connections == 1, SECONDS)


def test_a_source_without_address_is_not_found(connect: Callable[[], RawClient]) -> None:
    client = connect()
    client.send(Attach(name="n", handle=0, role=True, source=Source(dynamic=True)))
    assert client.receive_attach().source is None


def test_a_flow_is_echoed_when_asked(connect: Callable[[], RawClient]) -> None:
    client = connect()
    client.flow(None, None, echo=True)
    assert client.receive(Flow).handle is None


def test_heartbeats_come_before_the_clients_idle_time_out_ends(emulator: Emulator) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.open(idle_time_out=200)
        for _ in range(3):
            assert client.next_item() == Frame(0, 0, b"")


def test_a_silent_client_is_disconnected() -> None:
    with Emulator(partitions=1, idle_seconds=0.5) as emulator, RawClient(emulator.endpoints.amqp) as client:
        assert client.open().idle_time_out == 500
        error = closed_with(client)
        assert error.condition == "amqp:connection:forced"
        assert "500 milliseconds" in str(error.description)


def test_heartbeats_keep_a_client_connected() -> None:
    with Emulator(partitions=1, idle_seconds=0.5) as emulator, RawClient(emulator.endpoints.amqp) as client:
        client.open(idle_time_out=200)
        for _ in range(12):
            assert client.next_item() == Frame(0, 0, b"")
            client.socket.sendall(EMPTY_FRAME)


def test_closing_the_emulator_frees_its_port(emulator: Emulator) -> None:
    address = emulator.endpoints.amqp
    with RawClient(address) as client:
        client.open()
        emulator.close()
        with pytest.raises((EOFError, ConnectionResetError)):
            client.next_item()
    with pytest.raises(ConnectionRefusedError):
        RawClient(address)
    emulator.close()
