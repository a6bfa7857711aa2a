"""A connection is dialed beside the thread that waits for it."""

import socket
import threading
from unittest.mock import Mock

import pytest

from ingest.hub.network import dialing_aside
from ingest.hub.network.dialing_aside import Dialing
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.route import Route

PATIENCE = 60.0
ROUTE = Route("127.0.0.1", 1, tls=False)


def no_context() -> None:
    raise AssertionError("there is no TLS")


def dialing(route: Route = ROUTE) -> Dialing:
    return Dialing(route, no_context)  # type: ignore[arg-type]  # never called


def test_what_was_dialed_is_handed_over_once_and_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = dialing(Route("127.0.0.1", listener.getsockname()[1], tls=False))
        stream = made.wait(PATIENCE)
        assert stream is not None
        made.give_up()
        stream.write(b"x")
        with listener.accept()[0] as other:
            assert other.recv(1) == b"x"
            stream.close()


def test_a_fault_is_told_to_who_waits() -> None:
    made = dialing(Route("nowhere.invalid", 1, tls=False))
    with pytest.raises(NetworkFault, match="has no address"):
        made.wait(PATIENCE)


def test_what_connects_after_it_was_given_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connects, closed, stream = threading.Event(), threading.Event(), Mock()
    stream.close.side_effect = closed.set

    def slow(*_: object) -> Mock:
        assert connects.wait(PATIENCE)
        return stream

    monkeypatch.setattr(dialing_aside, "dial", slow)
    made = dialing()
    assert made.wait(0) is None, "nobody is held up"
    made.give_up()
    connects.set()
    assert closed.wait(PATIENCE)
    assert made.wait(PATIENCE) is None
