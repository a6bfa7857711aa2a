"""A listener of a Kafka broker as this machine sees it: is it reached, does it speak TLS, does it want a login?

librdkafka tells only that a connection has died. So a few bytes of Kafka's protocol are spoken here by hand; nothing that a
broker would keep is sent.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ingest.timing import Deadline

Speech = Literal["plain", "tls"]
Trouble = Literal["", "no_address", "no_connection", "mute"]

CLIENT_SECONDS = 3.5
"""What a client has to be served: a far broker with TLS and a login needs eight round trips."""
DOUBT_SECONDS = 1.0
"""After so long without an answer a listener is looked at, while the client goes on trying."""
_LOOK_SECONDS = 3.3
_SPEECH_SECONDS = 2.8
"""For a look at one listener, DNS aside."""
_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 1.5
"""Of a listener as it is expected to be; one of another kind ends the connection at once, and has what is left over."""
_LEAST_SECONDS = 0.1
_API_VERSIONS, _SASL_HANDSHAKE = 18, 17
_UNSUPPORTED_MECHANISM, _ILLEGAL_STATE = 33, 34
_ID = 0x1E57
_LONGEST_ANSWER = 64 * 1024

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a listener."""

    address: Address
    trouble: Trouble
    """mute: connected, and it speaks Kafka's protocol neither with TLS nor without."""
    words: str = ""
    """Of the trouble."""
    speaks: Speech | None = None
    logins: tuple[str, ...] | None = None
    """The SASL mechanisms that it takes; none for a listener without login; None when it does not tell."""


def addresses(servers: str) -> list[Address]:
    """Those of `bootstrap.servers`: host:port, comma separated; IPv6 in brackets."""
    found = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if host and port.isdecimal():
            found.append(Address(host.strip("[]"), int(port)))
    return found


def look(address: Address, expected: Speech) -> Look:
    """Speaks as `expected`, and when that is not understood, the other way; `_SPEECH_SECONDS` at most, DNS aside."""
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Look(address, "no_address", getattr(error, "strerror", None) or "not a host name")
    words, deadline = "", Deadline(_SPEECH_SECONDS)
    for speech in (expected, "plain" if expected == "tls" else "tls"):
        try:
            with socket.create_connection((address.host, address.port), _CONNECT_SECONDS) as plain:
                patience = _ANSWER_SECONDS if speech == expected else deadline.remaining()
                plain.settimeout(max(_LEAST_SECONDS, patience))
                try:
                    spoken, logins = _speak_tls(plain, address.host) if speech == "tls" else _speak(plain)
                except OSError as error:  # a time-out among them
                    spoken, words = False, words or _words(error)
        except OSError as error:
            return Look(address, "no_connection", "no answer" if isinstance(error, TimeoutError) else _words(error))
        if spoken:
            return Look(address, "", speaks=speech, logins=logins)
    return Look(address, "mute", words or "it answers something else")


def side_by_side(ask: Callable[[Item], Found], items: Sequence[Item], seconds: float) -> dict[Item, Found]:
    """What is found for each, as far as it is known after `seconds`; who takes longer is left behind."""
    found: dict[Item, Found] = {}
    threads = [
        threading.Thread(target=lambda item=item: found.update({item: ask(item)}), daemon=True) for item in items
    ]
    deadline = Deadline(seconds)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining())
    return dict(found)


class Doubt:
    """Looks at listeners when a client gets no answer from them for a while; a healthy cluster is left in peace."""

    def __init__(self, listeners: Sequence[Address], expected: Speech) -> None:
        """As soon as the client has begun; `over` when it has ended, well or not."""
        self._listeners = listeners
        self._expected = expected
        self._answered = threading.Event()
        self._found: list[Look] = []
        self._thread = threading.Thread(target=self._look, name="look-at-listeners", daemon=True)
        self._thread.start()

    def over(self) -> None:
        self._answered.set()

    def looks(self) -> list[Look]:
        """What was seen, once it has been; that may take until some 4 s after the client began."""
        self._thread.join(_LOOK_SECONDS)
        return self._found

    def _look(self) -> None:
        if not self._answered.wait(DOUBT_SECONDS):
            found = side_by_side(lambda each: look(each, self._expected), self._listeners, _LOOK_SECONDS)
            self._found = [found[each] for each in self._listeners if each in found]


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it takes the connection and says nothing"
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return "it ends the connection"
    return (error.strerror or str(error)).lower()


def _speak_tls(plain: socket.socket, host: str) -> tuple[bool, tuple[str, ...] | None]:
    # Unverified on purpose: whom to trust is librdkafka's business; this is about the protocol alone.
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with context.wrap_socket(plain, server_hostname=host) as secure:
            try:
                return True, _speak(secure)[1]
            except OSError:
                return True, None  # it wants our certificate, say
    except ssl.SSLError as error:
        # An alert is TLS, too: it does not like ours.
        return "ALERT" in (error.reason or ""), None


def _speak(stream: socket.socket) -> tuple[bool, tuple[str, ...] | None]:
    """(whether the other side speaks Kafka's protocol, its login mechanisms). Raises OSError when it says nothing."""
    if _ask(stream, _API_VERSIONS, 0, b"") is None:
        return False, None
    try:
        return True, _mechanisms(_ask(stream, _SASL_HANDSHAKE, 1, struct.pack(">h", 1) + b"?") or b"")
    except (OSError, struct.error, UnicodeDecodeError):
        return True, None


def _ask(stream: socket.socket, api: int, version: int, body: bytes) -> bytes | None:
    """The answer behind the correlation id; None when it is no answer to this. Raises OSError."""
    client = b"ingest-doctor"
    request = struct.pack(">hhih", api, version, _ID, len(client)) + client + body
    stream.sendall(struct.pack(">i", len(request)) + request)
    head = _read(stream, 8)
    size, echoed = struct.unpack(">ii", head)
    if echoed != _ID or not 4 <= size <= _LONGEST_ANSWER:
        return None
    return _read(stream, size - 4)


def _read(stream: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = stream.recv(count - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return parts


def _mechanisms(answer: bytes) -> tuple[str, ...] | None:
    """Of a SaslHandshake for a mechanism that does not exist: a listener with login lists its own (KIP-43)."""
    error, count = struct.unpack_from(">hi", answer)
    if error != _UNSUPPORTED_MECHANISM:
        return () if error == _ILLEGAL_STATE else None
    found, at = [], 6
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, at)
        found.append(answer[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return tuple(found)
