"""What every benchmark shares: Apache Kafka, Azurite, the hub with its log, and a table of results at the end."""

from collections.abc import Iterator

import pytest

from bench.feed import Feeds
from bench.results import Results
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

RESULTS = pytest.StashKey[Results]()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker, shared; every run takes a topic of its own."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def blob() -> Iterator[Azurite]:
    """One Azurite, shared."""
    with Azurite() as store:
        yield store


@pytest.fixture(scope="session")
def feeds() -> Iterator[Feeds]:
    """Hubs with full logs, one at a time."""
    with Feeds() as feeds:
        yield feeds


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Results:
    """Takes rows; the table comes at the end of the run."""
    return request.config.stash[RESULTS]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = Results()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, after whatever others have to say."""
    if table := config.stash[RESULTS].table():
        terminalreporter.section("figures")
        terminalreporter.write(table)
