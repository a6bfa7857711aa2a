"""Fixtures for every test folder: the real services, started when a test first asks, once per run."""

import gc
import inspect
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import settings

from tests.clients_left import ClientsLeft
from tests.left_out import LeftOut
from tests.longest_first import longest_first
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

# Property tests have no time limit per example: the machine may be busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

_SERVICES = (KafkaCluster, Azurite)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LeftOut())
    config.pluginmanager.register(ClientsLeft())


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks `services` whatever reaches a fixture that yields a service, by whatever way: `make unit` leaves it out. And
    puts the files that last longest in front."""
    items[:] = longest_first([(item.path, item) for item in items])
    for item in items:
        if isinstance(item, pytest.Function) and any(
            kind in get_args(inspect.signature(fixture.func).return_annotation)
            for fixtures in item._fixtureinfo.name2fixturedefs.values()
            for fixture in fixtures
            for kind in _SERVICES
        ):
            item.add_marker(pytest.mark.services)


def pytest_collection_finish() -> None:
    """What was collected lives to the end: a tenth of the time went into looking whether it is garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker that creates topics by itself. Shared: use topic names of your own, and never kill it."""
    with KafkaCluster(short_lived=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def blob() -> Iterator[Azurite]:
    """One Azurite. Shared: use containers of your own, and never kill it."""
    with Azurite() as store:
        yield store
