"""Whether the services take the sink of another configuration, asked with real links and a mock cluster."""

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from typing import Any

import pytest

from ingest.config import Config, Hub, Kafka, Secret
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.kafka.mock_cluster import MockCluster
from ingest.process.child import Child, ProcessSpec
from ingest.sink import trial
from tests.sink.hub import hub_of


class Trying(Child):
    """A child that keeps what it hands up."""

    def __init__(self, config: Config) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("trial", "sink", "", config), pipe)
        self.results: list[Any] = []

    def result(self, value: Any) -> None:
        self.results.append(value)


@pytest.fixture(scope="module")
def config() -> Iterator[Config]:
    with Emulator(partitions=1, c2d=True) as emulator, MockCluster() as cluster:
        yield Config(hub=hub_of(emulator), kafka=Kafka(bootstrap_servers=cluster.bootstrap))


def test_what_the_services_take_is_good(config: Config) -> None:
    child = Trying(config)
    trial.run(child)
    assert child.results == [True]


def test_a_wrong_key_is_refused(config: Config) -> None:
    text = config.hub.iot_hub_connection_string.reveal()
    key = text.partition("SharedAccessKey=")[2]
    wrong = Secret(text.replace(key, "d3Jvbmc="))
    child = Trying(replace(config, hub=Hub(iot_hub_connection_string=wrong, ca_file=config.hub.ca_file)))
    with pytest.raises(Refused):
        trial.run(child)
    assert child.results == []


def test_a_stop_ends_the_trial(config: Config) -> None:
    child = Trying(config)
    child.stop(1)
    trial.run(child)
    assert child.results == []
