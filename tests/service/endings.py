"""Every form in which a hub may end a session, a link or a connection, as raw frames on the live links of an emulator."""

from collections.abc import Callable

from ingest.amqp.composites import Composite
from ingest.amqp.frames import encode_frame
from ingest.amqp.performatives import Close, Detach, End, Error
from ingest.emulator import Emulator
from ingest.emulator.amqp.link import Link

_CONDITION, _DESCRIPTION = "amqp:internal-error", "some words"
NO_TEXT = b"\xff\xfe\xff\xfe\xff words"[: len(_DESCRIPTION)]


def _bytes(channel: int, performative: Composite, *, condition: bytes = b"", description: bytes = b"") -> bytes:
    frame = encode_frame(channel, performative)
    if condition:
        frame = frame.replace(_CONDITION.encode(), condition)
    return frame.replace(_DESCRIPTION.encode(), description) if description else frame


def _error(description: str | None = _DESCRIPTION, condition: str = _CONDITION) -> Error:
    return Error(condition=condition, description=description)


_BAD_CONDITION = b"amqp:\xff\xfe\xff\xfe\xffnal-error"
FORMS: dict[str, Callable[[Link], bytes]] = {
    "detach": lambda link: _bytes(link.channel, Detach(handle=link.handle, closed=True)),
    "detach, not closed": lambda link: _bytes(link.channel, Detach(handle=link.handle, closed=False)),
    "detach in words": lambda link: _bytes(link.channel, Detach(handle=link.handle, closed=True, error=_error())),
    "detach, no description": lambda link: _bytes(
        link.channel, Detach(handle=link.handle, closed=True, error=_error(None))
    ),
    "detach, not UTF-8": lambda link: _bytes(
        link.channel, Detach(handle=link.handle, closed=True, error=_error()), description=NO_TEXT
    ),
    "detach, condition not ASCII": lambda link: _bytes(
        link.channel, Detach(handle=link.handle, closed=True, error=_error()), condition=_BAD_CONDITION
    ),
    "detach, redirect without places": lambda link: _bytes(
        link.channel, Detach(handle=link.handle, closed=True, error=_error(condition="amqp:link:redirect"))
    ),
    "end": lambda link: _bytes(link.channel, End()),
    "end in words": lambda link: _bytes(link.channel, End(error=_error())),
    "end, not UTF-8": lambda link: _bytes(link.channel, End(error=_error()), description=NO_TEXT),
    "close": lambda _: _bytes(0, Close()),
    "close in words": lambda _: _bytes(0, Close(error=_error())),
    "close, not UTF-8": lambda _: _bytes(0, Close(error=_error()), description=NO_TEXT),
    "close, condition not ASCII": lambda _: _bytes(0, Close(error=_error()), condition=_BAD_CONDITION),
}


def end_links(emulator: Emulator, form: str, address: str) -> int:
    """Sends this end to every link whose source or target ends in `address`. Returns how many."""

    def strike() -> int:
        struck = 0
        for connection in list(emulator._server._connections):
            for link in list(connection.links.values()):
                asked = link._attach
                places = (getattr(asked.source, "address", None), getattr(asked.target, "address", None))
                if any(str(place).lower().endswith(address.lower()) for place in places):
                    connection.write(FORMS[form](link))
                    struck += 1
        return struck

    return int(emulator._thread.call(strike))
