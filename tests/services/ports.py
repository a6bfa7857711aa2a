"""Ports that stay ours, also while the server that listens on them is down."""

import socket


class ReservedPort:
    """A free port of an address of this machine, loopback unless told otherwise, bound but not listening until `close`.

    The kernel gives a bound port to nobody else, neither for binding port 0 nor for an outgoing connection.
    A server that sets SO_REUSEADDR (Java and Node do) may still listen on it, as the flag is set here too and this
    socket never listens (socket(7)). So there is no race between choosing a port and using it, nor when a killed
    server is started again.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self._socket = socket.socket()
        self._socket.bind((host, 0))
        # After bind: with the flag on, two reservations may be given the same port.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = self._socket.getsockname()[1]

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.number}"

    def answers(self) -> bool:
        """Whether a server accepts connections on the port now."""
        return answers(self.address)

    def close(self) -> None:
        self._socket.close()


def answers(address: str) -> bool:
    """Whether a server accepts connections at `host:port` now."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
