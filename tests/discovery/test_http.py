"""Questions to a server on loopback."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.config import Secret
from ingest.discovery import http
from ingest.discovery.http import Answer, JsonClient
from ingest.emulator.certificate import make_certificate
from ingest.errors import Refused, Unreachable


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        user = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        match self.path:
            case "/user":
                self.reply(200, json.dumps(user).encode())
            case "/refused":
                self.reply(403, b'{"message": "no"}', {"WWW-Authenticate": "Negotiate"})
            case "/elsewhere":
                self.reply(302, b"", {"Location": f"http://localhost:{self.server.server_port}/user"})  # type: ignore[attr-defined]
            case "/html":
                self.reply(200, b"<html>\xff")
            case "/deep":
                self.reply(200, b"[" * 100_000)
            case "/large":
                self.reply(200, b"1" * (http.MOST_BYTES + 1))
            case "/slow":
                self.send_response(200)
                self.end_headers()
                try:
                    while not self.server.stopping.wait(0.02):  # type: ignore[attr-defined]
                        self.wfile.write(b" ")
                except OSError:
                    pass
            case "/nothing":
                self.close_connection = True

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stopping = threading.Event()

    def handle_error(self, *_: object) -> None:
        """A client that goes away is none."""


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving(Server())


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    server.server_close()
    thread.join()


def client(server: Server, *, seconds: float = 30.0) -> JsonClient:
    return JsonClient(
        f"http://127.0.0.1:{server.server_port}", "admin", Secret("hunter2:ü"), ca_file=None, seconds=seconds
    )


def test_an_answer_is_its_status_and_body(server: Server) -> None:
    assert client(server).get("/user") == Answer(200, "admin:hunter2:ü", "")
    assert client(server).get("/refused") == Answer(403, {"message": "no"}, "Negotiate")
    assert client(server).get("/html").body == "<html>\ufffd"
    assert client(server).get("/deep").body == "[" * 100_000


def test_the_password_follows_no_redirect(server: Server) -> None:
    answer = client(server).get("/elsewhere")
    assert (answer.status, answer.location.rpartition("/")[2]) == (302, "user")


def test_an_answer_is_bounded_in_size_and_time(server: Server) -> None:
    with pytest.raises(Refused, match="more than 4194304 bytes"):
        client(server).get("/large")
    with pytest.raises(Unreachable, match=r"has not answered within 0\.3 s"):
        client(server, seconds=0.3).get("/slow")


def test_who_does_not_answer(server: Server) -> None:
    with pytest.raises(Unreachable, match="cannot be asked"):
        client(server).get("/nothing")
    with Server() as gone:
        port = gone.server_port
    with pytest.raises(Unreachable, match=rf"nothing listens at 127\.0\.0\.1:{port}"):
        JsonClient(f"http://127.0.0.1:{port}", "admin", Secret("x"), ca_file=None).get("/")
    with pytest.raises(Unreachable, match=r"there is no host nowhere\.invalid"):
        JsonClient("http://nowhere.invalid", "admin", Secret("x"), ca_file=None).get("/")


def test_tls_is_verified(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    tls = Server()
    tls.socket = certificate.server_context().wrap_socket(tls.socket, server_side=True)
    for server in serving(tls):
        base = f"https://localhost:{server.server_port}"
        with pytest.raises(Refused, match="is not trusted"):
            JsonClient(base, "admin", Secret("x"), ca_file=None).get("/user")
        trusting = JsonClient(base, "admin", Secret("x"), ca_file=certificate.ca_file)
        assert trusting.get("/user").body == "admin:x"
    with pytest.raises(Refused, match="cannot be used"):
        JsonClient(base, "admin", Secret("x"), ca_file=tmp_path / "none.pem")


def test_http_where_https_is_asked_for(server: Server) -> None:
    with pytest.raises(Unreachable, match="speaks no TLS"):
        JsonClient(f"https://127.0.0.1:{server.server_port}", "admin", Secret("x"), ca_file=None).get("/user")
