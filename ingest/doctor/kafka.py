"""Checks the Kafka cluster: reachable, the topics exist, and this user has the rights that ingest needs."""

from collections.abc import Callable, Sequence
from typing import Any

from ingest.config import Config, event_hubs
from ingest.doctor import kafka_judges as judges
from ingest.doctor.check import Check, Verdict, fail
from ingest.doctor.kafka_brokers import BROKERS, SIDE_BY_SIDE, ask_brokers
from ingest.doctor.transactions import transaction_checks
from ingest.errors import ConfigError
from ingest.kafka import listener
from ingest.kafka.client import new_admin, settings
from ingest.kafka.group_readers import readers
from ingest.kafka.listener import Address, Doubt, addresses
from ingest.kafka.record_limit import max_record_bytes
from ingest.kafka.security import Security
from ingest.kafka.topics_in_use import Use, topics_in_use
from ingest.sink.intake import other_hubs

NAME = "Kafka"
_ASK_SECONDS = 4.0
_RIGHTS_SECONDS = 2.0
"""Clusters that do not know such a question do not answer it."""


class KafkaChecks:
    def __init__(self, config: Config, hub_partitions: Callable[[], Sequence[str]] | None = None) -> None:
        """`hub_partitions`: as the check "partitions" has found them; None without that check."""
        self._config = config
        self._hub_partitions = hub_partitions
        self._complaints: list[Any] = []
        """librdkafka reports only to a callback why no broker answers."""
        self._client: Any = None
        self._partitions: dict[str, int] = {}
        """Topic → number of its partitions, for all topics that this user may see."""
        self._controller = -1
        self._cluster: str | None = None
        self._brokers: dict[int, Address] = {}
        """At their advertised addresses."""
        self._security = Security.of(settings(config.kafka))

    def checks(self) -> list[Check]:
        config, uses = self._config, topics_in_use(self._config)
        up = "see whether kafka.bootstrap_servers is right and up"
        found = [Check(NAME, self._ask_cluster, imports=("confluent_kafka.admin",), if_silent=up)]
        found.append(Check(BROKERS, self._ask_brokers, needs=(NAME,)))
        found += [
            Check(f"topic {topic}", lambda topic=topic, use=use: self._ask_topic(topic, use), needs=(NAME,))  # type: ignore[misc]  # mypy cannot infer the defaults' types
            for topic, use in uses.items()
        ]
        if config.reads_telemetry:
            for topic in (config.source.topic, config.source.dead_letter_topic):
                found.append(
                    Check(
                        f"largest record of {topic}",
                        lambda topic=topic: self._ask_size(topic),  # type: ignore[misc]  # as above
                        needs=(f"topic {topic}",),
                    )
                )
        found += transaction_checks(config, self._hub_partitions, lambda: self._partitions, NAME)
        if config.sends_commands:
            found.append(Check("sink group", self._ask_group, needs=(NAME,)))
        return found

    def _ask_cluster(self) -> Verdict:
        from confluent_kafka import KafkaException

        servers = self._config.kafka.bootstrap_servers
        try:
            # Its log lines would repeat on stderr what the callback gets.
            self._client = new_admin({**settings(self._config.kafka), "log_level": 0}, error_cb=self._complaints.append)
        except ConfigError as wrong:
            return fail(wrong.problems[0].fix, "correct [kafka.librdkafka]")
        doubt = Doubt(addresses(servers)[:SIDE_BY_SIDE], self._security.speech)
        try:
            cluster = self._client.list_topics(timeout=listener.CLIENT_SECONDS)
        except KafkaException as failed:
            self._client.poll(0)
            errors = [(each.name(), each.str()) for each in (failed.args[0], *self._complaints)]
            return judges.judge_unreached(servers, errors, doubt.looks(), self._security)
        finally:
            doubt.over()
        self._cluster = cluster.cluster_id
        self._brokers = {number: Address(each.host, each.port) for number, each in sorted(cluster.brokers.items())}
        self._partitions = {
            name: len(topic.partitions) for name, topic in cluster.topics.items() if topic.error is None
        }
        self._controller = cluster.controller_id
        return judges.judge_cluster(servers, cluster.cluster_id, len(cluster.brokers), self._config.kafka.kind)

    def _ask_brokers(self) -> Verdict:
        return ask_brokers(self._config.kafka, self._brokers, self._cluster, self._security)

    def _makes_topics(self) -> bool | None:
        """Whether brokers create a topic at its first use; None if unknown."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin._config import ConfigResource
        from confluent_kafka.admin._resource import ResourceType

        if self._controller < 0:
            return None
        resource = ConfigResource(ResourceType.BROKER, str(self._controller))
        try:
            asked = self._client.describe_configs([resource], request_timeout=_RIGHTS_SECONDS)[resource]
            return bool(asked.result(_RIGHTS_SECONDS)["auto.create.topics.enable"].value == "true")
        except (KafkaException, KeyError, TimeoutError):
            return None

    def _ask_topic(self, topic: str, use: Use) -> Verdict:
        from confluent_kafka import KafkaException, TopicCollection

        partitions, rights, error = self._partitions.get(topic), None, ("", "")
        try:
            # Unlike a request for the topic's metadata, this never creates the topic.
            asked = self._client.describe_topics(
                TopicCollection([topic]), include_authorized_operations=True, request_timeout=_RIGHTS_SECONDS
            )[topic]
            described = asked.result(_ASK_SECONDS)
            partitions = len(described.partitions)
            allowed = described.authorized_operations
            rights = None if allowed is None else [operation.name for operation in allowed]
        except KafkaException as failed:
            error = (failed.args[0].name(), failed.args[0].str())
        if partitions is not None:
            readers = self._config.sink.processes if use == "read" else 1
            return judges.judge_topic(topic, use, partitions=partitions, rights=rights, processes=readers)
        file = str(self._config.path or "FILE")
        create = event_hubs.HOW_TO_CREATE if self._config.kafka.kind == "event_hubs" else ""
        # ingest never has the topic of positions made at its first use: it would not be compacted.
        makes = topic != self._config.source.position_topic and self._makes_topics()
        return judges.judge_topic_error(topic, *error, makes_topics=makes, file=file, create=create)

    def _ask_size(self, topic: str) -> Verdict:
        limit = max_record_bytes(self._config.kafka, topic, _ASK_SECONDS)
        own = self._config.kafka.librdkafka.get("message.max.bytes")
        dead_letters = topic == self._config.source.dead_letter_topic
        return judges.judge_size(
            limit, None if own is None else int(str(own)), self._config.source.format, dead_letters=dead_letters
        )

    def _ask_group(self) -> Verdict:
        from confluent_kafka import KafkaException

        group = self._config.sink.group_id
        try:
            asked = self._client.describe_consumer_groups(
                [group], include_authorized_operations=True, request_timeout=_ASK_SECONDS
            )[group]
            found = asked.result(_ASK_SECONDS)
        except KafkaException as failed:
            return judges.judge_group_error(group, failed.args[0].name(), failed.args[0].str())
        except TimeoutError:
            return judges.judge_group_error(group, "_TIMED_OUT", "no answer in time")
        allowed, hub = found.authorized_operations, self._config.hub.iot_hub
        members = readers(self._client, group, _RIGHTS_SECONDS) if found.members and hub is not None else []
        others = other_hubs.intruders(members, hub, set(self._config.sink.topics)) if hub is not None else []
        return judges.judge_group(
            group,
            None if allowed is None else [operation.name for operation in allowed],
            sorted({f"{member.client_id} on {member.host.lstrip('/')}" for member in found.members}),
            (other_hubs.seen(group, others[0]), other_hubs.FIX) if others else None,
        )
