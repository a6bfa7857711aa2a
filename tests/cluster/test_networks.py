"""What passes between a node's network and the rest while it is whole, and while it is cut."""

import contextlib
import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor
from uuid import uuid4

import pytest

from tests.cluster.networks import ADDRESS, CUTS, Network, enter
from tests.faults.waiting import wait_until

LOST_SECONDS = 0.1


@pytest.mark.networks
def test_a_cut_takes_what_it_says() -> None:
    # A process that enters another network does not come back from it.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        assert apart.submit(passing).result(60) == {
            "silent": (False, False),
            "down": (False, False),
            "one-way": (True, False),
        }


def passing() -> dict[str, tuple[bool, bool]]:
    """Kind of cut → whether something passes from the node, and to it. Raises AssertionError if a network is not whole before and
    after."""
    enter()
    found = {}
    with Network(0) as network, socket.socket(type=socket.SOCK_DGRAM) as there:
        there.bind((ADDRESS, 0))
        with network.inside(lambda: socket.socket(type=socket.SOCK_DGRAM)) as here:
            here.bind((network.address, 0))
            for kind in CUTS:
                whole(here, there)
                network.cut(kind)
                found[kind] = passes(here, there), passes(there, here)
                network.heal()
            whole(here, there)
    return found


def whole(here: socket.socket, there: socket.socket) -> None:
    wait_until(lambda: passes(here, there) and passes(there, here), "nothing passes through a whole network")


def passes(sender: socket.socket, receiver: socket.socket) -> bool:
    sent = uuid4().bytes
    receiver.settimeout(LOST_SECONDS)
    with contextlib.suppress(OSError):
        sender.sendto(sent, receiver.getsockname())
    with contextlib.suppress(TimeoutError):
        while receiver.recv(len(sent)) != sent:
            pass  # what was late before
        return True
    return False
