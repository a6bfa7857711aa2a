"""A listener of a Kafka broker as this machine sees it: is it reachable, does it use TLS, does it require a login?

librdkafka reports only that a connection has died. So this module speaks a few bytes of Kafka's protocol itself; it
sends nothing that a broker would store.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ingest.address import before_port
from ingest.timing import Deadline

Speech = Literal["plain", "tls"]
Trouble = Literal["", "no_address", "no_connection", "mute"]

CLIENT_SECONDS = 3.5
"""Time for a client to be served: a distant broker with TLS and a login needs eight round trips."""
DOUBT_SECONDS = 1.0
"""After this time without an answer, `Doubt` looks at the listener while the client goes on trying."""
_LOOK_SECONDS = 3.3
_SPEECH_SECONDS = 2.8
"""For a look at one listener, without DNS."""
_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 1.5
"""For a listener of the expected kind; another kind, which ends the connection at once, gets the rest of the time."""
_LEAST_SECONDS = 0.1
_API_VERSIONS, _SASL_HANDSHAKE = 18, 17
_UNSUPPORTED_MECHANISM, _ILLEGAL_STATE = 33, 34
_ID = 0x1E57
_LONGEST_ANSWER = 64 * 1024
_MOST_LISTENERS = 10

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{before_port(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a listener found."""

    address: Address
    trouble: Trouble
    """mute: connected, but it speaks Kafka's protocol neither with TLS nor without."""
    words: str = ""
    """The text of the trouble."""
    speaks: Speech | None = None
    logins: tuple[str, ...] | None = None
    """The SASL mechanisms that it takes; empty for a listener without login; None if unknown."""


def addresses(servers: str) -> list[Address]:
    """Returns the addresses in `bootstrap.servers`: host:port, comma separated; IPv6 in brackets."""
    found = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if host and port.isdecimal():
            found.append(Address(host.strip("[]"), int(port)))
    return found


def look(address: Address, expected: Speech) -> Look:
    """Speaks as `expected`, and if that fails, the other way; `_SPEECH_SECONDS` at most, without DNS."""
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
    """Returns the results that are known after `seconds`; abandons what takes longer."""
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


def looks_at(servers: str, expected: Speech, seconds: float) -> list[Look]:
    """Looks at the first listeners of `bootstrap.servers`, for `seconds` at most; those that take longer are mute."""
    listeners = addresses(servers)[:_MOST_LISTENERS]
    found = side_by_side(lambda each: look(each, expected), listeners, seconds)
    return [found.get(each, Look(each, "mute", "no answer in time")) for each in listeners]


class Doubt:
    """Looks at listeners if a client gets no answer from them for a while; leaves a healthy cluster alone."""

    def __init__(self, listeners: Sequence[Address], expected: Speech) -> None:
        """Create it as soon as the client has begun; call `over` when that has ended, well or not."""
        self._listeners = listeners
        self._expected = expected
        self._answered = threading.Event()
        self._found: list[Look] = []
        self._thread = threading.Thread(target=self._look, name="look-at-listeners", daemon=True)
        self._thread.start()

    def over(self) -> None:
        self._answered.set()

    def looks(self) -> list[Look]:
        """Waits for the looks and returns them; they can take until about 4 s after the client's begin."""
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
    # Unverified on purpose: librdkafka decides about trust; this is only about the protocol.
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with context.wrap_socket(plain, server_hostname=host) as secure:
            try:
                return True, _speak(secure)[1]
            except OSError:
                return True, None  # for example, it requires our certificate
    except ssl.SSLError as error:
        # An alert is TLS too: the listener refuses our offer.
        return "ALERT" in (error.reason or ""), None


def _speak(stream: socket.socket) -> tuple[bool, tuple[str, ...] | None]:
    """Returns (whether the peer speaks Kafka's protocol, its login mechanisms). Raises OSError if it says nothing."""
    if _ask(stream, _API_VERSIONS, 0, b"") is None:
        return False, None
    try:
        return True, _mechanisms(_ask(stream, _SASL_HANDSHAKE, 1, struct.pack(">h", 1) + b"?") or b"")
    except (OSError, struct.error, UnicodeDecodeError):
        return True, None


def _ask(stream: socket.socket, api: int, version: int, body: bytes) -> bytes | None:
    """Returns the answer after the correlation id; None if it does not answer this request. Raises OSError."""
    client = b"ingest-look"
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
    """Reads the answer to a SaslHandshake with an unknown mechanism: a listener with login lists its own (KIP-43)."""
    error, count = struct.unpack_from(">hi", answer)
    if error != _UNSUPPORTED_MECHANISM:
        return () if error == _ILLEGAL_STATE else None
    found, at = [], 6
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, at)
        found.append(answer[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return tuple(found)
