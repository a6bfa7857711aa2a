"""A fault of TLS reaches the sink's trouble in words; what is no fault of TLS keeps its own."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.config import Secret
from ingest.config.connection_strings import IotHubAddress
from ingest.emulator.certificate import LIFETIME, make_certificate
from ingest.emulator.keys import random_key
from ingest.hub.auth import for_uamqp
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.probing import look
from ingest.hub.network.route import Route
from ingest.hub.service_errors import HubError
from ingest.hub.tls import iot_hub_context
from ingest.hub.tls_question import TlsQuestion
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.sending.sender import Sender
from ingest.timing import Backoff, Deadline
from tests.process.scarce import no_more_threads
from tests.sink.transports import BOTH

PATIENCE = 60.0
HOST = "127.0.0.1"


@contextmanager
def server(context: ssl.SSLContext | None) -> Iterator[int]:
    """Shakes hands with whoever comes, and says nothing; without a context not even that. Gives its port."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        if context is not None:
                            context.wrap_socket(connection, server_side=True).recv(1)

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def address(port: int) -> IotHubAddress:
    return IotHubAddress(HOST, port, "service", Secret(random_key()))


@pytest.fixture(params=["expired", "wrong host", "unknown authority"])
def faulty(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ssl.SSLContext, Path | None, str]:
    """What the server shows, what the client trusts, and what is to be said."""
    past = datetime.now(UTC) - LIFETIME - timedelta(days=10)
    match request.param:
        case "expired":
            made = make_certificate(tmp_path, (HOST,), past)
            return made.server_context(), made.ca_file, "expired"
        case "wrong host":
            made = make_certificate(tmp_path, ("elsewhere",))
            return made.server_context(), made.ca_file, "write the host name that is in the certificate"
        case _:
            return make_certificate(tmp_path, (HOST,)).server_context(), None, "hub.ca_file"


def test_a_certificate_that_is_not_trusted_is_named(faulty: tuple[ssl.SSLContext, Path | None, str]) -> None:
    context, ca_file, said = faulty
    with server(context) as port:
        question = TlsQuestion(Route(HOST, port), ca_file)
        assert (
            question.words(TimeoutError("Authorization timeout."), seconds=10.2) == f"no answer from {HOST} within 10 s"
        )
        deadline = Deadline(PATIENCE)
        while question.fault is None:
            assert not deadline.expired
    assert f"the certificate of {HOST} is not trusted" in question.fault
    assert said in question.fault
    assert question.words(TimeoutError("Authorization timeout."), seconds=10.2) == question.fault
    question.forget()
    assert question.fault is None


def test_a_hub_that_says_nothing_is_named() -> None:
    named = pytest.raises(NetworkFault, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.2 s")
    with socket.create_server((HOST, 0)) as listener, named:
        look(Route(HOST, listener.getsockname()[1]), lambda: iot_hub_context(None), 0.2)


def test_what_the_hub_says_is_not_asked_about() -> None:
    def never(*_: object) -> NetworkFault | None:
        raise AssertionError("nothing to ask")

    question = TlsQuestion(Route(HOST, 1), None, ask=never)
    assert question.words(HubError("amqp:not-found", "no such hub"), seconds=1) == "no such hub"


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("kind", [Sender, FeedbackLink])
def test_a_link_tells_it(
    kind: Callable[..., Sender | FeedbackLink], transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(*arguments: Any) -> Any:
        made = for_uamqp.token_auth(*arguments)
        made.timeout = 1  # instead of 10 s, until uamqp says that it is over
        return made

    if transport == "sdk":
        monkeypatch.setattr("ingest.hub.service_client.token_auth", hurried)
    context = make_certificate(tmp_path, (HOST,)).server_context()
    with server(context) as port:
        part = kind(address(port), None, transport=transport, backoff=Backoff(60.0, 60.0))
        part.start()
        try:
            deadline = Deadline(PATIENCE)
            while "is not trusted" not in (part.trouble or ""):
                assert not deadline.expired, part.trouble
                if isinstance(part, Sender):
                    part.poll(0.1)
                else:
                    part.poll()
        finally:
            part.close()


def test_a_question_for_which_there_is_no_thread_costs_words_alone() -> None:
    asked = threading.Event()

    def ask(route: Route, ca_file: Path | None) -> NetworkFault | None:
        asked.set()
        return None

    question = TlsQuestion(Route(HOST, 1), None, ask=ask)
    with no_more_threads():
        assert "no process or thread can be started" in question.words(TimeoutError("late"), seconds=5)
    question.words(TimeoutError("late"), seconds=5)
    assert asked.wait(PATIENCE)
