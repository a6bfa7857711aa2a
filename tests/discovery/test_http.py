"""Questions to a server on loopback."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest

from ingest.config import Secret
from ingest.discovery import http
from ingest.discovery.http import Answer, JsonClient
from ingest.emulator.certificate import make_certificate
from ingest.errors import Refused, Unreachable
from tests.services.http_server import Handler, HttpServer


class Users(Handler):
    def serve(self) -> None:
        user = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        match self.path:
            case "/user":
                self.answer(200, json.dumps(user).encode())
            case "/refused":
                self.answer(403, b'{"message": "no"}', {"WWW-Authenticate": "Negotiate"})
            case "/elsewhere":
                self.answer(302, b"", {"Location": f"http://localhost:{self.server.server_port}/user"})  # type: ignore[attr-defined]
            case "/html":
                self.answer(200, b"<html>\xff")
            case "/deep":
                self.answer(200, b"[" * 100_000)
            case "/large":
                self.answer(200, b"1" * (http.MOST_BYTES + 1))
            case "/slow":
                self.send_response(200)
                self.end_headers()
                hung_up = (self.connection,)
                while not select(hung_up, (), (), 0.02)[0]:
                    self.wfile.write(b" ")
            case "/nothing":
                self.close_connection = True


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer(Users) as server:
        yield server


def client(server: HttpServer, *, seconds: float = 30.0) -> JsonClient:
    return JsonClient(
        f"http://127.0.0.1:{server.server_port}", "admin", Secret("hunter2:ü"), ca_file=None, seconds=seconds
    )


def test_an_answer_is_its_status_and_body(server: HttpServer) -> None:
    assert client(server).get("/user") == Answer(200, "admin:hunter2:ü", "")
    assert client(server).get("/refused") == Answer(403, {"message": "no"}, "Negotiate")
    assert client(server).get("/html").body == "<html>\ufffd"
    assert client(server).get("/deep").body == "[" * 100_000


def test_the_password_follows_no_redirect(server: HttpServer) -> None:
    answer = client(server).get("/elsewhere")
    assert (answer.status, answer.location.rpartition("/")[2]) == (302, "user")


def test_an_answer_is_bounded_in_size_and_time(server: HttpServer) -> None:
    with pytest.raises(Refused, match="more than 4194304 bytes"):
        client(server).get("/large")
    with pytest.raises(Unreachable, match=r"has not answered within 0\.3 s"):
        client(server, seconds=0.3).get("/slow")


def test_who_does_not_answer(server: HttpServer) -> None:
    with pytest.raises(Unreachable, match="cannot be asked"):
        client(server).get("/nothing")
    with HttpServer(Users) as gone:
        port = gone.server_port
    with pytest.raises(Unreachable, match=rf"nothing listens at 127\.0\.0\.1:{port}"):
        JsonClient(f"http://127.0.0.1:{port}", "admin", Secret("x"), ca_file=None).get("/")
    with pytest.raises(Unreachable, match=r"there is no host nowhere\.invalid"):
        JsonClient("http://nowhere.invalid", "admin", Secret("x"), ca_file=None).get("/")


def test_tls_is_verified(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with HttpServer(Users, certificate.server_context()) as server:
        base = f"https://localhost:{server.server_port}"
        with pytest.raises(Refused, match="is not trusted"):
            JsonClient(base, "admin", Secret("x"), ca_file=None).get("/user")
        trusting = JsonClient(base, "admin", Secret("x"), ca_file=certificate.ca_file)
        assert trusting.get("/user").body == "admin:x"
    with pytest.raises(Refused, match="cannot be used"):
        JsonClient(base, "admin", Secret("x"), ca_file=tmp_path / "none.pem")


def test_http_where_https_is_asked_for(server: HttpServer) -> None:
    with pytest.raises(Unreachable, match="speaks no TLS"):
        JsonClient(f"https://127.0.0.1:{server.server_port}", "admin", Secret("x"), ca_file=None).get("/user")
