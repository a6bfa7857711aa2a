"""A running emulator, and clients that are closed at the end of the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ingest.emulator import Emulator
from tests.emulator.raw_client import RawClient


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Two partitions, nothing in them."""
    with Emulator(partitions=2) as running:
        yield running


@pytest.fixture
def connect(emulator: Emulator) -> Iterator[Callable[[], RawClient]]:
    """Gives connected, authorized raw clients."""
    with ExitStack() as stack:

        def connected(max_frame_size: int = 65_536, window: int = 65_536) -> RawClient:
            client = stack.enter_context(RawClient(emulator.endpoints.amqp))
            client.window = window
            client.open(max_frame_size=max_frame_size)
            client.authorize(emulator.keys.service, emulator.hub.name)
            return client

        yield connected
