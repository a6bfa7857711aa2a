"""What can only be wrong for good ends the program with a sentence: 78 for the configuration, 69 for a refusal."""

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import Configure, both_transports
from tests.faults.telemetry import Topic

pytestmark = [pytest.mark.services, pytest.mark.faults]


def test_a_wrong_configuration_starts_no_child(configure: Configure) -> None:
    source = configure({"source": {"topik": "iotin", "start": "yesterday", "consumer_group": 7}})
    source.start()
    assert source.join() == 78
    problems = source.messages()
    for part in (
        "source.topik: unknown key; did you mean source.topic?",
        'source.start = "yesterday": ',
        "source.consumer_group = 7: ",
    ):
        assert any(part in problem for problem in problems), (part, problems)
    assert all(problem.startswith("ingest: config: ") for problem in problems), "a child spoke"


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("SharedAccessKey=d3Jvbmc=", None, "amqp:unauthorized-access: .*signature"),
        ("EntityPath=elsewhere", "EntityPath=iothub-ehub-emulator", "amqp:(not-found|unauthorized-access): "),
    ],
    ids=["wrong key", "unknown hub"],
)
def test_a_hub_that_refuses(configure: Configure, hub: Emulator, wrong: str, right: str | None, words: str) -> None:
    address = hub.endpoints.event_hub_connection_string
    right = right or f"SharedAccessKey={hub.keys.service}"
    assert right in address
    source = configure({"hub": {"event_hub_connection_string": address.replace(right, wrong)}})
    source.start()
    assert source.join() == 69
    source.wait_said(f"Cannot start: hub .*({words})", 0)
    assert source.said("d3Jvbmc=") is None, "the key is in the log"


def test_a_listener_of_kafka_for_other_clients(configure: Configure) -> None:
    source = configure({"kafka.librdkafka": {'"security.protocol"': "ssl"}})
    source.start()
    assert source.join() == 78
    source.wait_said("Cannot start: .*does not speak TLS, and security.protocol is ssl; write .*plaintext", 0)


@both_transports
def test_an_unknown_consumer_group(configure: Configure, topic: Topic) -> None:
    source = configure({"source": {"consumer_group": "nobody"}})
    source.start()
    assert source.join() == 69
    source.wait_said("Cannot start: the hub refused partition [01]: amqp:not-found.*nobody", 0)
