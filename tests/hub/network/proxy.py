"""A small HTTP proxy on loopback that takes CONNECT, with Basic authentication if wanted, and can be told to misbehave."""

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BASIC = 'Basic realm="corporate"'
Script = Callable[[socket.socket, str], bool]
"""Gets the client's connection and the head of its request; whether the proxy is to go on by itself."""


class Proxy:
    """`seen`: the heads of all requests."""

    def __init__(self, user: str = "", password: str = "", script: Script | None = None) -> None:
        self.seen: list[str] = []
        self._wanted = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, name="proxy", daemon=True).start()

    @property
    def targets(self) -> list[str]:
        """Where it was asked to connect to."""
        return [head.split(" ")[1] for head in self.seen]

    def close(self) -> None:
        """Takes no more connections and cuts those that are open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = client.recv(1)
                if not byte:
                    return
                head += byte
            text = head.decode("latin-1")
            self.seen.append(text)
            if self._script is not None and not self._script(client, text):
                return
            given = re.search(r"(?im)^proxy-authorization: *Basic *(\S+)\r$", text)
            if self._wanted and (given is None or given[1] != self._wanted):
                client.sendall(answer(407, "Proxy Authentication Required", f"Proxy-Authenticate: {BASIC}"))
                return
            host, _, port = text.split(" ")[1].rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as hub:
                self._open.append(hub)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(hub, client), daemon=True)
                back.start()
                _pump(client, hub)
                back.join()


def answer(status: int, reason: str, *headers: str) -> bytes:
    """An HTTP answer without a body."""
    return "\r\n".join((f"HTTP/1.1 {status} {reason}", *headers, "Content-Length: 0", "", "")).encode("latin-1")


def answers(status: int, reason: str, *headers: str) -> Script:
    """A script that answers so to everything."""

    def script(client: socket.socket, _: str) -> bool:
        client.sendall(answer(status, reason, *headers))
        return False

    return script


@contextmanager
def proxy(user: str = "", password: str = "", script: Script | None = None) -> Iterator[Proxy]:
    made = Proxy(user, password, script)
    try:
        yield made
    finally:
        made.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
