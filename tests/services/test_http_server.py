"""tests.services.http_server: what clients do to it ends with it, and says nothing."""

import http.client
import socket
import ssl
import threading
from pathlib import Path

import pytest

from ingest.emulator.certificate import make_certificate
from tests.services.http_server import Handler, HttpServer

PATIENCE = 30.0


class Echo(Handler):
    def serve(self) -> None:
        self.answer(200, self.command.encode() + self.body(), {"X-Kind": "echo"})


def test_an_answer_is_whole() -> None:
    with HttpServer(Echo) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
        client.request("POST", "/", b" hello")
        answer = client.getresponse()
        assert (answer.status, answer.headers["X-Kind"], answer.read()) == (200, "echo", b"POST hello")
        client.close()


def test_its_end_cuts_whoever_waits_and_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = threading.Event()

    class Hanging(Handler):
        def serve(self) -> None:
            asked.set()
            self.rfile.read(1)
            self.answer(200, b"x" * 1_000_000)

    before = threading.active_count()
    certificate = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=certificate.ca_file)
    with HttpServer(Hanging, certificate.server_context()) as server:
        silent = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
        plain = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE) as raw:
            waiting = trusting.wrap_socket(raw, server_hostname="localhost")
            waiting.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert asked.wait(PATIENCE)
    with silent, plain, waiting:
        assert silent.recv(1) == b""
        assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")
