"""SASL in front of a connection, for either side (AMQP 1.0 part 5.3). Sans-IO.

A layer is fed headers and frames until it is `done`; it returns the bytes to send.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ingest.amqp.composites import Composite
from ingest.amqp.errors import AmqpError, PeerMistake
from ingest.amqp.frames import AMQP_HEADER, SASL_FRAME, SASL_HEADER, encode_frame
from ingest.amqp.performatives import SaslInit, SaslMechanisms, SaslOutcome

ANONYMOUS: Final = "ANONYMOUS"
EXTERNAL: Final = "EXTERNAL"
MSSBCBS: Final = "MSSBCBS"
"""Microsoft's name for: authentication follows on `$cbs`."""
PLAIN: Final = "PLAIN"

UNAUTHORIZED: Final = "amqp:unauthorized-access"
FRAMING: Final = "amqp:connection:framing-error"

_REASONS: Final = {
    1: "the credentials are wrong",
    2: "of an error of the server",
    3: "of an error of the server that stays",
    4: "of an error of the server that may pass",
}


class Layer(Protocol):
    """One side of the SASL exchange."""

    done: bool
    """Whether the AMQP header comes next."""

    def start(self) -> bytes:
        """Returns what this side sends before it has received anything."""
        ...

    def on_header(self, raw: bytes) -> bytes:
        """Returns the bytes to send. Raises PeerMistake."""
        ...

    def on_frame(self, frame: Composite) -> bytes:
        """Returns the bytes to send. Raises PeerMistake."""
        ...


class SaslClient:
    """Uses one mechanism, with one response."""

    def __init__(
        self, mechanism: str = ANONYMOUS, initial_response: bytes | None = None, hostname: str | None = None
    ) -> None:
        """`initial_response`: from `plain` for PLAIN, b"" for EXTERNAL, None for the others."""
        self.done = False
        self._init = SaslInit(mechanism=mechanism, initial_response=initial_response, hostname=hostname)
        self._has_header = False
        self._sent_init = False

    def start(self) -> bytes:
        return SASL_HEADER

    def on_header(self, raw: bytes) -> bytes:
        if raw != SASL_HEADER or self._has_header:
            raise PeerMistake(FRAMING, f"The peer answers {raw!r} where its SASL header is due.")
        self._has_header = True
        return b""

    def on_frame(self, frame: Composite) -> bytes:
        match frame:
            case SaslMechanisms() if self._has_header and not self._sent_init:
                offered = frame.sasl_server_mechanisms
                if self._init.mechanism not in offered:
                    raise PeerMistake(
                        UNAUTHORIZED,
                        f"The peer does not offer the SASL mechanism {self._init.mechanism}, "
                        f"but {', '.join(offered)[:200] or 'none'}.",
                    )
                self._sent_init = True
                return encode_frame(0, self._init, kind=SASL_FRAME)
            case SaslOutcome() if self._sent_init:
                if frame.code != 0:
                    why = _REASONS.get(frame.code, f"of code {frame.code}")
                    raise PeerMistake(UNAUTHORIZED, f"The peer refuses SASL {self._init.mechanism}: {why}.")
                self.done = True
                return b""
            case _:
                raise _stray(frame)


class SaslServer:
    """Accepts or refuses a client."""

    def __init__(self, mechanisms: Sequence[str], log_in: Callable[[SaslInit], bool]) -> None:
        """`log_in` returns whether the mechanism and response of a client are valid."""
        self.done = False
        self._mechanisms = tuple(mechanisms)
        self._log_in = log_in
        self._offered = False

    def start(self) -> bytes:
        return b""

    def on_header(self, raw: bytes) -> bytes:
        if not self._offered and raw == AMQP_HEADER:
            # IoT Hub accepts a client without SASL, such as the JavaScript client azure-iothub; tokens come on $cbs.
            self.done = True
            return b""
        if self._offered or raw != SASL_HEADER:
            raise PeerMistake(FRAMING, f"The peer begins with {raw!r}, which is no header of SASL or AMQP 1.0.")
        self._offered = True
        offer = SaslMechanisms(sasl_server_mechanisms=self._mechanisms)
        return SASL_HEADER + encode_frame(0, offer, kind=SASL_FRAME)

    def on_frame(self, frame: Composite) -> bytes:
        if not isinstance(frame, SaslInit) or not self._offered:
            raise _stray(frame)
        if frame.mechanism not in self._mechanisms or not self._log_in(frame):
            raise RefusedLogin(f"The login with SASL {frame.mechanism:.100} is refused.")
        self.done = True
        return encode_frame(0, SaslOutcome(code=0), kind=SASL_FRAME)


class RefusedLogin(PeerMistake):
    """`answer` is the outcome that tells the client."""

    def __init__(self, sentence: str) -> None:
        self.answer = encode_frame(0, SaslOutcome(code=1), kind=SASL_FRAME)
        super().__init__(UNAUTHORIZED, sentence)


def plain(user: str, password: str) -> bytes:
    """Returns the initial response of PLAIN (RFC 4616). Raises AmqpError if one of them contains a NUL."""
    if "\0" in user or "\0" in password:
        raise AmqpError("A user name or password with a NUL character cannot be sent with SASL PLAIN.")
    return f"\0{user}\0{password}".encode()


def _stray(frame: Composite) -> PeerMistake:
    return PeerMistake(FRAMING, f"{type(frame).__name__} does not belong here in the SASL exchange.")
