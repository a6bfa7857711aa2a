"""Tries every broker at its advertised address, in parallel."""

from collections.abc import Mapping
from typing import Any

from ingest.config import Kafka
from ingest.doctor.check import Verdict
from ingest.doctor.listener_judges import Broker, judge_brokers
from ingest.kafka import listener
from ingest.kafka.client import new_admin, settings
from ingest.kafka.complaints import weight
from ingest.kafka.listener import Address, Doubt, Look, addresses, look, side_by_side
from ingest.kafka.security import Security

BROKERS = "Kafka brokers"
SIDE_BY_SIDE = 100
"""Most brokers to look at."""
_MOST_THREADS = 100
"""A client has a thread for every broker that it knows."""
_SECONDS = 4.7


def ask_brokers(kafka: Kafka, advertised: Mapping[int, Address], cluster: str | None, security: Security) -> Verdict:
    """Tries as many brokers as allowed with a librdkafka client with our settings, which must reach them; looks at
    those that do not answer it, and at the others. `advertised`: number → address; `cluster`: its id."""
    tried = dict(list(advertised.items())[:SIDE_BY_SIDE])
    clients = set(list(tried)[: max(1, _MOST_THREADS // len(tried))]) if tried else set()
    chosen = settings(kafka)

    # Clients do not notice a server that does not answer while another one does.
    doors = [each for each in addresses(kafka.bootstrap_servers) if each not in advertised.values()][:SIDE_BY_SIDE]

    def ask(one: int | Address) -> Broker | Look:
        if isinstance(one, Address):
            return look(one, security.speech)
        address = tried[one]
        if one not in clients:
            return Broker(one, address, look=look(address, security.speech))
        doubt = Doubt([address], security.speech)
        try:
            return Broker(one, address, cluster=_serves(chosen, address))
        except _NotServed as failed:
            return Broker(one, address, (failed.name, failed.words), look=next(iter(doubt.looks()), None))
        finally:
            doubt.over()

    every: list[int | Address] = [*tried, *doors]
    found = side_by_side(ask, every, _SECONDS)
    for number, address in tried.items():
        found.setdefault(number, Broker(number, address, ("_TIMED_OUT", "no answer in time")))
    brokers = sorted((each for each in found.values() if isinstance(each, Broker)), key=lambda each: each.number)
    seen = [each for each in found.values() if isinstance(each, Look)]
    return judge_brokers(brokers, cluster, kafka.bootstrap_servers, security, seen)


class _NotServed(Exception):
    """librdkafka's name of the error, and its text."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self.words = words


def _serves(chosen: Mapping[str, Any], address: Address) -> str | None:
    """Returns the id of the cluster in which the broker serves us. Raises _NotServed."""
    from confluent_kafka import KafkaException

    complaints: list[Any] = []
    client = new_admin({**chosen, "bootstrap.servers": str(address), "log_level": 0}, error_cb=complaints.append)
    try:
        return client.list_topics(timeout=listener.CLIENT_SECONDS).cluster_id
    except KafkaException as failed:
        client.poll(0)
        worst = max((failed.args[0], *complaints), key=weight)
        raise _NotServed(worst.name(), worst.str()) from None
