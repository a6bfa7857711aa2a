import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from ingest.metrics.http_port import LARGEST_REQUEST, Asked, HttpPort, Reply

MOST = 8
REQUEST_SECONDS = 1.0
LARGE = b"x" * 30_000_000


def answer(asked: Asked) -> Reply:
    match asked.path:
        case "/large":
            return Reply(200, "text/plain", LARGE)
        case "/fault":
            raise RuntimeError("boom")
        case "/known":
            return Reply(304, "", b"", (("ETag", '"1"'),))
        case "/headers":
            return Reply(200, "text/plain", repr((asked.host, asked.if_none_match)).encode())
        case _:
            return Reply(200, "text/plain", asked.path.encode())


@pytest.fixture
def port() -> Iterator[HttpPort]:
    made = HttpPort(answer, host="127.0.0.1", port=0, most_connections=MOST, request_seconds=REQUEST_SECONDS)
    made.start()
    yield made
    made.close()


def connect(port: HttpPort, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port.port), timeout=30)
    client.sendall(sent)
    return client


def get(port: HttpPort, path: str = "/x") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port.port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def ended(client: socket.socket) -> bool:
    """Waits for the end of the connection, whatever comes before it."""
    try:
        while client.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return True


def was_reset(client: socket.socket) -> bool:
    """Waits for the peer's reset without reading anything."""
    events = select.poll()
    events.register(client, 0)
    return bool(events.poll(30_000))


def test_requests_follow_one_another_on_one_connection(port: HttpPort) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port.port, timeout=30)
    for path in ("/a", "/b?query", "/c"):
        connection.request("GET", path)
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (200, path.partition("?")[0].encode())
    connection.request("HEAD", "/large")
    reply = connection.getresponse()
    assert (reply.getheader("Content-Length"), reply.read()) == (str(len(LARGE)), b"")
    connection.close()


def test_an_answer_without_a_body_is_followed_by_the_next(port: HttpPort) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port.port, timeout=30)
    connection.request("GET", "/known")
    reply = connection.getresponse()
    assert (reply.status, reply.getheader("ETag"), reply.getheader("Content-Length"), reply.read()) == (
        304,
        '"1"',
        None,
        b"",
    )
    connection.request("GET", "/headers", headers={"Host": "edge1:1", "If-None-Match": '"1"'})
    assert connection.getresponse().read() == b"('edge1:1', '\"1\"')"
    connection.close()


def test_the_port_ticks_and_answers_on_when_a_tick_fails(caplog: pytest.LogCaptureFixture) -> None:
    ticked = threading.Semaphore(0)

    def tick() -> None:
        ticked.release()
        raise RuntimeError("no sample")

    port = HttpPort(answer, host="127.0.0.1", port=0, tick=tick, tick_seconds=0.01)
    port.start()
    try:
        for _ in range(3):
            assert ticked.acquire(timeout=30)
        assert get(port) == b"/x"
    finally:
        port.close()
    assert "no sample" in caplog.text


def test_requests_that_come_at_once_are_answered_in_turn(port: HttpPort) -> None:
    with connect(port, b"GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.0\r\n\r\n") as client:
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    assert received.index(b"/one") < received.index(b"/two")


def test_half_requests_never_keep_out_who_asks(port: HttpPort) -> None:
    threads = set(threading.enumerate())
    with ExitStack() as stack:
        halves = [stack.enter_context(connect(port, b"GET /metr")) for _ in range(20 * MOST)]
        assert get(port) == b"/x"
        assert set(threading.enumerate()) <= threads
        # All but the last few made room for others at once, these when their time is up.
        assert all(map(ended, halves))


def drips(client: socket.socket, deadline: float) -> bool:
    """Sends a byte now and then; True once the peer has ended the connection."""
    client.settimeout(0.05)
    while time.monotonic() < deadline:
        try:
            client.sendall(b"a")
            if not client.recv(1):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_who_sends_byte_by_byte_has_no_more_time_than_others(port: HttpPort) -> None:
    with connect(port, b"GET / HTTP/1.1\r\n") as client:
        assert drips(client, time.monotonic() + 30 * REQUEST_SECONDS)


@pytest.mark.parametrize("last", ["", "Connection: close\r\n"])
def test_who_does_not_read_is_let_go_and_holds_up_nobody(port: HttpPort, last: str) -> None:
    with ExitStack() as stack:
        request = f"GET /large HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode()
        clients = [stack.enter_context(connect(port, request * 3)) for _ in range(MOST // 2)]
        assert get(port) == b"/x"
        assert all(map(was_reset, clients))


def test_who_reads_in_time_gets_a_large_answer_whole(port: HttpPort) -> None:
    assert get(port, "/large") == LARGE


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", b"405"),
        (b"GET /" + b"a" * LARGEST_REQUEST * 2, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * LARGEST_REQUEST, b"431"),
    ],
)
def test_what_is_no_request_is_refused_in_words(port: HttpPort, sent: bytes, status: bytes) -> None:
    with connect(port) as client:
        with suppress(ConnectionError):
            client.sendall(sent)
        assert client.recv(65536).startswith(b"HTTP/1.1 " + status)
        assert ended(client)
    assert get(port) == b"/x"


def test_a_fault_of_ours_is_in_the_log_and_ends_one_connection(
    port: HttpPort, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        get(port, "/fault")
    assert "boom" in caplog.text
    assert get(port) == b"/x"


def test_close_ends_every_connection_and_the_thread() -> None:
    threads = set(threading.enumerate())
    port = HttpPort(answer, host="127.0.0.1", port=0)
    port.start()
    number = port.port
    with connect(port, b"GET /half") as half, connect(port, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n") as idle:
        assert idle.recv(1)
        port.close()
        assert ended(half)
        assert ended(idle)
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", number), timeout=30)


def test_close_ends_a_connection_that_is_just_coming_up() -> None:
    """The last turn of the loop takes it: it comes while a tick lasts, and so does the end."""
    ticking, go_on = threading.Event(), threading.Event()

    def tick() -> None:
        ticking.set()
        assert go_on.wait(30)

    port = HttpPort(answer, host="127.0.0.1", port=0, tick=tick)
    port.start()
    assert ticking.wait(30)
    loop = port._loop
    assert loop is not None
    with connect(port) as client:
        loop.call_soon_threadsafe(loop.stop)  # as `close` does, before the tick ends
        go_on.set()
        port.close()
        assert ended(client)


def test_one_that_is_closed_at_once_ends_in_peace() -> None:
    threads = set(threading.enumerate())
    for _ in range(20):
        port = HttpPort(answer, host="127.0.0.1", port=0)
        port.start()
        port.close()
    assert set(threading.enumerate()) <= threads


def test_it_listens_on_ipv6() -> None:
    port = HttpPort(answer, host="::1", port=0)
    port.start()
    with socket.create_connection(("::1", port.port), timeout=30) as client:
        client.sendall(b"GET /six HTTP/1.0\r\n\r\n")
        assert ended(client)
    port.close()
