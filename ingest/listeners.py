"""How a listener of asyncio ends without losing a connection."""

import asyncio
import contextlib
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Iterable
from typing import Final

_TURNS: Final = 3
"""Of the loop: in one a connection is taken, in one it comes up, in one its protocol is told."""


async def take_no_more(listening: Iterable[socket.socket | TransportSocket]) -> None:
    """Takes no more connections from these sockets. When it returns, their servers may be closed.

    A connection that was taken, and has not come up when its server is closed, stays open until it is collected: Python 3.11
    to 3.14, https://github.com/python/cpython/issues/109564.
    """
    loop = asyncio.get_running_loop()
    for each in listening:
        loop.remove_reader(each.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def cut_off(transports: Iterable[asyncio.BaseTransport | None]) -> None:
    """Aborts what is left of these, however far they have come."""
    for transport in transports:
        # Python 3.11.2 (Debian 12) raises for a TLS transport that has closed.
        with contextlib.suppress(AttributeError):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
