"""A proxy that does not let us through: which hop that is, in whose words, and what mends it. Never with the password."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import Secret
from ingest.config.proxies import ProxyAddress
from ingest.emulator.certificate import make_certificate
from ingest.hub.link_errors import link_ended
from ingest.hub.network.dialing import dial
from ingest.hub.network.faults import NetworkFault
from ingest.hub.network.route import Route
from ingest.hub.tls import event_hub_context
from tests.hub.network.proxy import Script, answer, answers, proxy

HOST = "127.0.0.1"
PASSWORD = "hunter22"
TARGET = Route("hub.example.com", 443, "websocket")


def fault_of(route: Route, seconds: float = 30.0) -> NetworkFault:
    with pytest.raises(NetworkFault) as raised:
        dial(route, lambda: event_hub_context(None), seconds)
    assert PASSWORD not in f"{raised.value} {raised.value!r} {route!r} {route}"
    return raised.value


def through(port: int, user: str = "ingest") -> Route:
    return replace(TARGET, proxy=ProxyAddress(HOST, port, user, Secret(PASSWORD if user else "")))


def sends(data: bytes) -> Script:
    def script(client: socket.socket, _: str) -> bool:
        client.sendall(data)
        return False

    return script


@pytest.mark.parametrize(
    ("script", "hop", "seen", "fix"),
    [
        (answers(403, "Filtered"), "proxy_refuses", '("403 Filtered")', "allow CONNECT to hub.example.com:443"),
        (answers(405, "No CONNECT here"), "proxy_refuses", '"405 No CONNECT here"', "allow CONNECT"),
        (
            answers(407, "Who is it", 'Proxy-Authenticate: Basic realm="x"'),
            "proxy_password",
            'refuses user ingest with this password ("407 Who is it")',
            "proxy.password_file",
        ),
        (
            answers(407, "No", "Proxy-Authenticate: NTLM", "Proxy-Authenticate: Negotiate"),
            "proxy_password",
            "wants NTLM, Negotiate",
            "take Basic",
        ),
        (answers(502, "Bad \x1b[31mgateway"), "proxy", r"cannot connect to hub.example.com:443 (", "log"),
        (answers(503, "x" * 5000), "proxy", "xxx…", "log"),
        (sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "proxy", "no HTTP proxy", "correct proxy.url"),
        (sends(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000), "proxy", "no HTTP proxy", "proxy.url"),
        (sends(answer(200, "OK") + b"welcome"), "proxy", "more than its answer", "inspects"),
        (sends(b""), "proxy", "hung up", "log"),
    ],
)
def test_what_a_proxy_answers(script: Script, hop: str, seen: str, fix: str) -> None:
    with proxy(script=script) as between:
        fault = fault_of(through(between.port))
    assert fault.hop == hop
    assert seen in fault.seen
    assert f"{HOST}:{between.port}" in fault.seen
    assert fix in fault.fix
    assert str(fault).isprintable()
    assert link_ended(fault).verdict == ("refused" if hop.startswith("proxy_") else "lost")


def test_a_port_that_the_proxy_does_not_let_through() -> None:
    with proxy(script=answers(403, "Access violation")) as between:
        fault = fault_of(replace(through(between.port), port=5671, network="amqp"))
    assert 'write hub.network = "websocket", which needs port 443 alone' in fault.fix


def test_a_password_that_is_wanted_and_not_there() -> None:
    with proxy("ingest", PASSWORD) as between:
        fault = fault_of(through(between.port, user=""))
    assert fault.hop == "proxy_password"
    assert 'wants a user and a password ("407 Proxy Authentication Required")' in fault.seen
    assert "http://USER@HOST:PORT" in fault.fix


def test_a_proxy_that_never_answers() -> None:
    with proxy(script=lambda client, _: bool(client.recv(1))) as between:
        fault = fault_of(through(between.port), seconds=0.3)
    assert fault.hop == "proxy"
    assert "says nothing about hub.example.com:443" in fault.seen


def test_no_proxy_at_the_port() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        fault = fault_of(through(taken.getsockname()[1]))
    assert fault.hop == "proxy"
    assert "cannot be reached (connection refused)" in fault.seen
    assert "proxy.url" in fault.fix


def test_a_proxy_without_an_address() -> None:
    fault = fault_of(replace(TARGET, proxy=ProxyAddress("no-such-proxy.invalid", 3128)))
    assert fault.hop == "proxy"
    assert "the proxy no-such-proxy.invalid:3128 has no address" in fault.seen


def test_a_certificate_that_is_not_trusted_behind_a_proxy(tmp_path: Path) -> None:
    context = make_certificate(tmp_path, (HOST,)).server_context()

    def inspects(client: socket.socket, _: str) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with pytest.raises(OSError, match=r".*"):
            context.wrap_socket(client, server_side=True).recv(1)
        return False

    with proxy(script=inspects) as between:
        fault = fault_of(through(between.port))
    assert fault.hop == "tls"
    assert "the certificate of hub.example.com is not trusted" in fault.seen
    assert "hub.ca_file" in fault.fix


def test_a_ca_file_that_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with socket.create_server((HOST, 0)) as listener, pytest.raises(NetworkFault, match=r"hub\.ca_file holds no cert"):
        dial(Route(HOST, listener.getsockname()[1]), lambda: event_hub_context(tmp_path / "ca.pem"), 30.0)


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (
            b"HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n",
            'not make the connection one of WebSocket ("404 Not here")',
        ),
        (
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: nonsense\r\n\r\n",
            "agrees to another WebSocket",
        ),
        (b"AMQP\x03\x01\x00\x00\r\n\r\n", "is no HTTP"),
        (b"", "ended the connection instead of WebSocket"),
    ],
)
def test_a_hub_that_does_not_upgrade(said: bytes, seen: str) -> None:
    """The hub is this proxy, which takes the GET for a request to itself."""
    with proxy(script=sends(said)) as hub:
        fault = fault_of(Route(HOST, hub.port, "websocket", tls=False))
    assert fault.hop == "websocket"
    assert seen in fault.seen
