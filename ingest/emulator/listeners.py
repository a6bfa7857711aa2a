"""How a listener of asyncio ends without losing a connection."""

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Iterable
from typing import Final

_TURNS: Final = 2
"""Of the loop: one in which a connection was taken, one in which it comes up."""


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
