"""A network for each node, so that one node alone can be cut off from everything.

`enter` takes this process into a network namespace of its own, in which the services run; each `Network` is one more namespace
with a virtual cable to it. The machine's own network sees nothing of that, and the kernel clears all of it away with the last
process in it, however that ends.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

from tests.services import prerequisites

ADDRESS: Final = "198.18.0.1"
"""Of everything that nodes reach (198.18.0.0/15 is for tests of networks, RFC 2544)."""
CUTS: Final[Mapping[str, tuple[str, ...]]] = {
    # Nothing passes, and neither side is told.
    "silent": ("from", "to"),
    # The node's cable is out, and its own kernel knows.
    "down": (),
    # What the node sends arrives; no answer comes back.
    "one-way": ("to",),
}
"""Kind of cut → which packets of the node get lost on the way."""
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of <sched.h>; `os.unshare` and `os.setns` come with Python 3.12."""
_SECONDS: Final = 30
_T = TypeVar("_T")


def lacking() -> str:
    """What this machine lacks, as a clause; empty when it can make networks."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if prerequisites.find_program("ip") is None:
        return "ip is not installed (Debian: iproute2)"
    try:
        os.close(_new_namespace())
    except OSError as error:
        return f"this machine lets nobody make a network namespace ({error.strerror})"
    return ""


def enter() -> None:
    """Takes this process, and what it starts from now on, into a network with `ADDRESS` and without any way out. Call it before
    there is another thread. Raises OSError."""
    _system("unshare", _NEW_NETWORK)
    _ip("link", "set", "lo", "up")
    _ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    # By default what is for this machine itself is delivered before any other rule is asked.
    _ip("rule", "add", "pref", "100", "lookup", "local")
    _ip("rule", "del", "pref", "0")


class Network:
    """One node's, whole at first. Use as a `with` block."""

    def __init__(self, number: int) -> None:
        """`number`: from 0, another for each. Raises OSError."""
        self.address = f"198.18.{number + 1}.2"
        self._cable = f"node{number}"
        self._cut: str | None = None
        self._namespace = _new_namespace()
        gateway = f"198.18.{number + 1}.1"
        place = f"/proc/{os.getpid()}/fd/{self._namespace}"
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", place)
        _ip("address", "add", f"{gateway}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")

        def connect() -> None:
            _ip("link", "set", "lo", "up")
            _ip("address", "add", f"{self.address}/30", "dev", "eth0")
            _ip("link", "set", "eth0", "up")
            _ip("route", "add", "default", "via", gateway)

        self.inside(connect)

    def inside(self, function: Callable[[], _T]) -> _T:
        """Returns `function()`, called in this network: what it starts stays there."""

        def call() -> _T:
            _system("setns", self._namespace, _NEW_NETWORK)
            return function()

        return _apart(call)

    def cut(self, kind: str) -> None:
        """`kind`: of `CUTS`."""
        assert self._cut is None, "it is cut already"
        self._cut = kind
        if kind == "down":
            _ip("link", "set", self._cable, "down")
        for way in CUTS[kind]:
            _ip("rule", "add", "pref", "10", way, self.address, "blackhole")

    def heal(self) -> None:
        """All passes again."""
        assert self._cut is not None, "it is whole"
        kind, self._cut = self._cut, None
        if kind == "down":
            _ip("link", "set", self._cable, "up")
        for way in CUTS[kind]:
            _ip("rule", "del", "pref", "10", way, self.address, "blackhole")

    def close(self) -> None:
        """It goes when nothing runs in it any more."""
        os.close(self._namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _new_namespace() -> int:
    """It lives as long as this file descriptor. Raises OSError."""

    def make() -> int:
        _system("unshare", _NEW_NETWORK)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    return _apart(make)


def _apart(function: Callable[[], _T]) -> _T:
    """On a thread that ends with it, as a network is a thread's. Raises what it raises."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def _system(call: str, *arguments: int) -> None:
    """A call of the C library. Raises OSError."""
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    program = prerequisites.find_program("ip")
    assert program is not None, "lacking() comes first"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
