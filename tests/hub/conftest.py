"""An emulated hub of one partition."""

from collections.abc import Iterator

import pytest

from ingest.emulator import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1) as made:
        yield made
