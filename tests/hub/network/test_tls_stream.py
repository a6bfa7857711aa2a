"""TLS records, however they come: many at once, or one in pieces."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.emulator.certificate import make_certificate
from ingest.hub.network.sockets import SocketStream
from ingest.hub.network.tls_stream import Tls, TlsStream
from ingest.hub.tls import event_hub_context
from ingest.timing import Deadline

PATIENCE = 60.0
MOST = 1 << 14


class Hub:
    """The other end: `records` gives what goes over the wire."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext) -> None:
        self.socket = connected
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def shake_hands(self, words: bytes = b"") -> None:
        """`words` come in one piece with the hub's last message of the handshake."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                self._in.write(self.socket.recv(65_536))
        if words:
            self._tls.write(words)
        self.socket.sendall(self._out.read())

    def records(self, *messages: bytes) -> bytes:
        for message in messages:
            self._tls.write(message)
        return self._out.read()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[TlsStream, Hub]]:
    certificate = make_certificate(tmp_path)
    ours, theirs = socket.socketpair()
    hub = Hub(theirs, certificate.server_context())
    greeting = threading.Thread(target=hub.shake_hands)
    greeting.start()
    tls = Tls(ours, event_hub_context(certificate.ca_file), "localhost", Deadline(PATIENCE))
    greeting.join(PATIENCE)
    stream = TlsStream(tls)
    yield stream, hub
    stream.close()
    theirs.close()


def test_what_came_with_the_handshake_is_there_to_be_read(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    context = certificate.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the hub has the last word
    ours, theirs = socket.socketpair()
    greeting = threading.Thread(target=Hub(theirs, context).shake_hands, args=(b"words",))
    greeting.start()
    stream = TlsStream(Tls(ours, event_hub_context(certificate.ca_file), "localhost", Deadline(PATIENCE)))
    greeting.join(PATIENCE)
    assert stream.wait(0)
    assert stream.read(MOST) == b"words"
    assert not stream.held
    stream.close()
    theirs.close()


@pytest.mark.parametrize(("records", "most"), [(80, 1 << 16), (140, 96 << 10)])
def test_many_records_take_one_read_of_the_socket(
    ends: tuple[TlsStream, Hub], monkeypatch: pytest.MonkeyPatch, records: int, most: int
) -> None:
    stream, hub = ends
    messages = [bytes([number]) * 600 for number in range(records)]
    hub.socket.sendall(hub.records(*messages))
    reads: list[int] = []
    read = SocketStream.read_into

    def counted(self: SocketStream, room: memoryview) -> int | None:
        reads.append(len(room))
        return read(self, room)

    monkeypatch.setattr(SocketStream, "read_into", counted)
    found = list[bytes]()
    while stream.wait(0):
        found += [stream.read(most) or b""]
    assert b"".join(found) == b"".join(messages)
    assert 1 <= len(reads) <= 2
    assert len(found) <= 3, "as many looks of ours as records"


@given(
    sizes=st.lists(st.integers(1, 40_000), max_size=6),
    cuts=st.lists(st.integers(1, 30_000)),
    most=st.integers(1, 120_000),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_is_read_in_order_however_records_are_cut(
    ends: tuple[TlsStream, Hub], sizes: list[int], cuts: list[int], most: int
) -> None:
    stream, hub = ends
    messages = [bytes([number]) * size for number, size in enumerate(sizes)]
    wire, found = hub.records(*messages), b""
    for cut in [*cuts, len(wire)]:
        hub.socket.sendall(wire[:cut])
        wire = wire[cut:]
        while stream.wait(0):
            data = stream.read(most)
            assert data is None or 0 < len(data) <= most
            found += data or b""
    assert found == b"".join(messages)


@given(sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=4), most=st.integers(1, 120_000))
@example(sizes=[9 << 14], most=1 << 14)  # reads end where records do
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_said_to_be_there_only_when_all_was_read(
    ends: tuple[TlsStream, Hub], sizes: list[int], most: int
) -> None:
    stream, hub = ends
    messages = [bytes([number]) * size for number, size in enumerate(sizes)]
    hub.socket.sendall(hub.records(*messages))
    found = b""
    while (data := stream.read(most)) is not None:
        found += data
    assert found == b"".join(messages)


def test_the_beginning_of_a_record_is_nothing_to_read(ends: tuple[TlsStream, Hub]) -> None:
    stream, hub = ends
    data = hub.records(b"x" * 5_000)
    for at, sent in ((0, data[:3]), (3, data[3:2_000]), (2_000, data[2_000:-1])):
        hub.socket.sendall(sent)
        assert stream.wait(PATIENCE), at
        while stream.wait(0):
            assert stream.read(MOST) is None
        assert not stream.held, "whoever waits for more would not wait at all"
    hub.socket.sendall(data[-1:])
    assert stream.wait(PATIENCE)
    assert stream.read(MOST) == b"x" * 5_000


def test_an_end_without_a_good_bye_comes_behind_what_was_sent(ends: tuple[TlsStream, Hub]) -> None:
    stream, hub = ends
    hub.socket.sendall(hub.records(b"last", b"words")[:-1])
    hub.socket.shutdown(socket.SHUT_WR)
    found = list[bytes | None]()
    while not found or found[-1] != b"":
        assert stream.wait(PATIENCE)
        found.append(stream.read(MOST))
    assert [each for each in found if each] == [b"last"]
    assert stream.read(MOST) == b""
    assert stream.wait(0)


def test_what_is_no_tls_is_an_error_behind_what_was_sent(ends: tuple[TlsStream, Hub]) -> None:
    stream, hub = ends
    hub.socket.sendall(hub.records(b"words") + b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert stream.wait(PATIENCE)
    assert stream.read(MOST) == b"words"
    assert stream.wait(PATIENCE)
    with pytest.raises(OSError, match=r"(?i)ssl|version|record"):
        stream.read(MOST)
