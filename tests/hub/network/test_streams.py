"""What every stream promises, held over each way to a hub."""

import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.hub.network import sockets
from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.contract import Stream
from ingest.hub.network.websocket import WebSocketStream
from ingest.hub.network.websocket_frames import frame
from ingest.timing import Deadline
from tests.hub.network.wires import KINDS, PATIENCE, Wire, wire

MOST = 1 << 14


@pytest.fixture(params=KINDS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with wire(request.param, tmp_path) as made:
        yield made


def read(stream: Stream, size: int, most: int = MOST) -> bytes:
    """`size` bytes, or what comes before the end."""
    found = b""
    while len(found) < size:
        assert stream.wait(PATIENCE)
        wanted = min(most, size - len(found))
        data = stream.read(wanted)
        assert data is None or len(data) <= wanted
        if data == b"":
            break
        found += data or b""
    return found


def test_bytes_come_as_they_were_sent_both_ways(both: Wire) -> None:
    data = random.Random(1).randbytes(300_000)
    sending = threading.Thread(target=both.hub.send, args=(data,))
    sending.start()
    assert read(both.ours, len(data)) == data
    sending.join()
    sizes = (1, 8, 125, 126, 65_535, 65_536, 100_000)

    def write() -> None:
        for size in sizes:
            both.ours.write(data[:size])

    writing = threading.Thread(target=write)
    writing.start()
    assert both.hub.received(sum(sizes)) == b"".join(data[:size] for size in sizes)
    writing.join()


def test_nothing_there_is_told_from_the_end(both: Wire) -> None:
    assert both.ours.read(MOST) is None
    assert not both.ours.wait(0)
    assert both.ours.fileno() >= 0
    both.hub.send(b"last words")
    both.hub.end()
    assert read(both.ours, 100) == b"last words"
    assert both.ours.wait(PATIENCE)
    assert both.ours.read(MOST) == b""
    assert both.ours.wait(0), "an end stays one"


def test_a_wait_can_be_ended_by_something_else_and_what_comes_is_still_told_of(both: Wire) -> None:
    bell = os.eventfd(0)
    try:
        both.ours.interrupt_on(bell)
        ringing = threading.Timer(0.05, os.eventfd_write, (bell, 1))
        ringing.start()
        began = time.monotonic()
        for _ in range(2):  # it stays readable
            while both.ours.wait(PATIENCE):  # TLS has something to say of its own
                assert both.ours.read(MOST) is None
        assert time.monotonic() - began < PATIENCE
        assert select.select([bell], [], [], 0)[0]
        both.hub.send(b"some words")
        deadline = Deadline(PATIENCE)
        found = b""
        while len(found) < 10 and not deadline.expired:
            if both.ours.wait(0.1):
                found += both.ours.read(MOST) or b""
        assert found == b"some words"
    finally:
        os.close(bell)


def test_many_bytes_can_be_waited_for_and_few_are_there_after_it(both: Wire) -> None:
    both.hub.send(b"few")
    began = time.monotonic()
    both.ours.gather(0.1, MOST)
    assert time.monotonic() - began >= 0.1
    assert read(both.ours, 3) == b"few"
    many = random.Random(2).randbytes(300_000)
    sending = threading.Thread(target=both.hub.send, args=(many,))
    sending.start()
    both.ours.gather(PATIENCE, MOST)
    assert both.ours.wait(0)
    assert read(both.ours, 10) == many[:10]
    both.ours.gather(PATIENCE, MOST)
    assert read(both.ours, len(many) - 10) == many[10:]
    sending.join()
    assert time.monotonic() - began < PATIENCE


def test_waiting_for_many_bytes_ends_where_no_more_come(both: Wire) -> None:
    began = time.monotonic()
    bell = os.eventfd(0)
    try:
        both.ours.interrupt_on(bell)
        os.eventfd_write(bell, 1)
        both.ours.gather(PATIENCE, MOST)
        os.eventfd_read(bell)
        both.hub.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        both.hub.socket.close()
        both.ours.gather(PATIENCE, MOST)
        both.ours.terminate()
        both.ours.gather(PATIENCE, MOST)
    finally:
        os.close(bell)
    assert time.monotonic() - began < PATIENCE


def test_what_was_taken_from_the_socket_is_told_of(both: Wire) -> None:
    data = bytes(range(250)) * 40
    both.hub.socket.sendall(frame(frames.BINARY, data) if "websocket" in both.kind else data)
    assert read(both.ours, 9_000, most=10) == data[:9_000]
    if both.kind != "tcp":
        assert both.ours.held
    assert both.ours.wait(0)
    assert read(both.ours, 1_000, most=7) == data[9_000:]


def test_a_hub_that_is_cut_off_is_an_end_or_an_error(both: Wire) -> None:
    raw = both.hub.socket
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    assert both.ours.wait(PATIENCE)
    try:
        while (data := both.ours.read(MOST)) is None:
            assert both.ours.wait(PATIENCE)
        assert data == b""
    except OSError:
        pass


def test_a_hub_that_takes_nothing_is_given_up(both: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "WRITE_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match=r"takes nothing for 0\.2 s"):
        both.ours.write(bytes(16 << 20))


def test_another_thread_can_cut_it(both: Wire) -> None:
    threading.Timer(0.05, both.ours.terminate).start()
    assert both.ours.wait(PATIENCE)
    both.ours.close()
    both.ours.close()
    assert both.ours.fileno() == -1


@pytest.fixture
def websocket(tmp_path: Path) -> Iterator[Wire]:
    with wire("websocket", tmp_path) as made:
        yield made


def test_a_ping_is_answered_and_gives_no_bytes(websocket: Wire) -> None:
    websocket.hub.socket.sendall(frame(frames.PING, b"you there") + frame(frames.BINARY, b"payload"))
    assert read(websocket.ours, 7) == b"payload"
    websocket.ours.write(b"mine")
    assert websocket.hub.received(4) == b"mine"
    assert websocket.hub.controls == [(frames.PONG, b"you there")]


def test_of_many_pings_in_one_read_the_last_one_is_answered(websocket: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, flood = websocket.ours, b"".join(frame(frames.PING, b"%d" % number) for number in range(5_000))
    assert isinstance(ours, WebSocketStream)
    monkeypatch.setattr(ours._inner, "read", lambda most: flood)
    assert ours.read(MOST) is None
    ours.write(b"mine")
    assert websocket.hub.received(4) == b"mine"
    assert websocket.hub.controls == [(frames.PONG, b"4999")]


def test_a_close_has_the_hubs_words_and_comes_behind_what_was_sent(websocket: Wire) -> None:
    end = frame(frames.CLOSE, frames.close_payload(1011, "going down\x1b[31m"))
    websocket.hub.socket.sendall(frame(frames.BINARY, b"payload") + end)
    assert read(websocket.ours, 7) == b"payload"
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match=r"closed the WebSocket: 1011 going down\\x1b\[31m"):
            websocket.ours.read(MOST)
    assert websocket.ours.wait(0)


def test_what_is_no_frame_is_named_and_comes_behind_what_was_sent(websocket: Wire) -> None:
    websocket.hub.socket.sendall(frame(frames.BINARY, b"payload") + frame(frames.TEXT, b"{}"))
    assert read(websocket.ours, 7) == b"payload"
    with pytest.raises(ConnectionAbortedError, match="text, where AMQP is binary"):
        websocket.ours.read(MOST)
