"""Apache Kafka in KRaft mode: one process per broker, data in a private folder that goes with the cluster."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.services import ServiceError, kafka_jars, prerequisites
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

IN_ORDER: Final[Mapping[str, object]] = {"enable.idempotence": True}
"""For a producer whose order counts. A broker refuses records of a topic that it has just made for a moment: without this, the
next ones overtake them."""
_START_SECONDS = 90
_JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN")
_QUICK = "-XX:TieredStopAtLevel=1"
"""Without the optimizing compiler a broker starts for 4 s of CPU time instead of 7."""


class KafkaCluster:
    """`brokers` Kafka brokers, numbered from 1. All ports and data survive `kill` and `restart` of a broker.

    Of three brokers or more, the first three are also the controllers, so that any one of them may be killed;
    of one or two, broker 1 alone is.
    """

    def __init__(
        self,
        brokers: int = 1,
        settings: Mapping[str, str] | None = None,
        *,
        short_lived: bool = False,
        proxied_at: str | None = None,
        host: str = "127.0.0.1",
        jvm: Sequence[str] = (),
    ) -> None:
        """`settings` are broker properties over the ones chosen here, such as `message.max.bytes`. `short_lived` brokers
        start sooner, and are slower under load. `proxied_at`: the address of a proxy in front of `behind_proxy`, which
        the broker, one alone, tells to clients that come that way. `host`: the address that all listen on. `jvm`: more
        options of Java's machine."""
        if brokers < 1:
            raise ValueError(f"brokers = {brokers}: at least 1.")
        if proxied_at is not None and brokers > 1:
            raise ValueError(f"brokers = {brokers}: one at most behind a proxy.")
        self._nodes = range(1, brokers + 1)
        self._controllers = self._nodes[: 3 if brokers >= 3 else 1]
        self._settings = settings or {}
        self._jvm = (*_JVM, *((_QUICK,) if short_lived else ()), *jvm)
        self._ports = {node: ReservedPort(host) for node in self._nodes}
        self._controller_ports = {node: ReservedPort(host) for node in self._controllers}
        self._proxied_at = proxied_at
        self._behind_proxy = ReservedPort(host) if proxied_at is not None else None
        self._processes: dict[int, ServiceProcess] = {}
        self._guard: Guard | None = None

    @property
    def behind_proxy(self) -> str:
        """`host:port` of the listener for a proxy."""
        assert self._behind_proxy is not None, "no proxied_at was given"
        return self._behind_proxy.address

    @property
    def bootstrap(self) -> str:
        """`host:port,…` of all brokers, running or not."""
        return ",".join(self._ports[node].address for node in self._nodes)

    def pid(self, broker: int) -> int:
        return self._processes[broker].pid

    def start(self) -> None:
        """Start all brokers and return when every one is in the cluster's metadata. Raises ServiceError."""
        jars = kafka_jars.ensure()
        java = prerequisites.java()
        classes = kafka_jars.class_archive(java, jars)
        prepared = [f"-XX:SharedArchiveFile={classes}"] if classes.exists() else []
        self._guard = Guard("kafka")
        cluster_id = _kafka_uuid()
        for node in self._nodes:
            properties = self._prepare(node, self._guard.folder / f"broker-{node}", cluster_id)
            command = [java, *prepared, *self._jvm, "-cp", f"{jars}/*", "kafka.Kafka", str(properties)]
            self._processes[node] = ServiceProcess(f"Kafka broker {node}", command, self._guard)
        for process in self._processes.values():
            process.start()
        for node in self._nodes:
            self._wait_for(node)
        self._create_offsets_topic()

    def poll(self) -> dict[int, int]:
        """Exit status of every broker that has ended by itself, by broker number."""
        statuses = {node: process.poll() for node, process in self._processes.items()}
        return {node: status for node, status in statuses.items() if status is not None}

    def kill(self, broker: int) -> None:
        """SIGKILL one broker and wait for its end; clients get "connection refused" from then on."""
        self._processes[broker].terminate()
        self._processes[broker].join(30)

    def restart(self, broker: int) -> None:
        """Start a broker again, with its port and data, and wait until it serves. One that runs is stopped first."""
        self._processes[broker].close()
        self._processes[broker].join(30)
        self._processes[broker].start()
        self._wait_for(broker)

    def pause(self, broker: int) -> None:
        """SIGSTOP: connections stay open, and nothing is answered."""
        self._processes[broker].pause()

    def resume(self, broker: int) -> None:
        self._processes[broker].resume()

    def close(self) -> None:
        """Ask all brokers to stop gracefully."""
        for process in self._processes.values():
            process.close()

    def terminate(self) -> None:
        """Kill all brokers now. The way to end tests: the data is thrown away with the cluster."""
        for process in self._processes.values():
            process.terminate()

    def join(self, seconds: float = 30) -> None:
        """Wait for the end of all brokers, kill those that last longer than `seconds`, and remove the data. Final."""
        for process in self._processes.values():
            process.join(seconds)
        if self._guard is not None:
            self._guard.close()
        behind = () if self._behind_proxy is None else (self._behind_proxy,)
        for port in (*self._ports.values(), *self._controller_ports.values(), *behind):
            port.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.terminate()
        self.join()

    def _wait_for(self, node: int) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        port = self._ports[node]
        self._processes[node].wait_until(port.answers, _START_SECONDS)
        admin = AdminClient({"bootstrap.servers": port.address, "log_level": 0})

        def listed() -> bool:
            try:
                return node in admin.list_topics(timeout=1).brokers
            except KafkaException:
                return False

        self._processes[node].wait_until(listed, _START_SECONDS)

    def _create_offsets_topic(self) -> None:
        """Make the topic of consumer groups now; the first group would wait 3 s while the brokers make it."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        offsets = NewTopic(
            "__consumer_offsets",
            num_partitions=4,
            replication_factor=min(3, len(self._nodes)),
            config={"cleanup.policy": "compact", "compression.type": "producer"},
        )
        try:
            admin.create_topics([offsets], operation_timeout=_START_SECONDS)["__consumer_offsets"].result(
                _START_SECONDS
            )
        except KafkaException as error:
            raise ServiceError(f"Kafka did not create the topic of consumer groups: {error}.") from error

    def _prepare(self, node: int, folder: Path, cluster_id: str) -> Path:
        """Write a broker's properties and format its storage; returns the properties' path."""
        data = folder / "data"
        data.mkdir(parents=True)
        # What `kafka-storage format` writes, without a JVM of its own per broker (KIP-631, KIP-858).
        _write(
            data / "meta.properties",
            {"version": "1", "cluster.id": cluster_id, "node.id": str(node), "directory.id": _kafka_uuid()},
        )
        properties = folder / "server.properties"
        _write(properties, self._properties(node, data))
        return properties

    def _properties(self, node: int, data: Path) -> dict[str, str]:
        copies = str(min(3, len(self._nodes)))
        listeners = [f"PLAINTEXT://{self._ports[node].address}"]
        advertised = list(listeners)
        if self._proxied_at is not None:
            listeners.append(f"PROXIED://{self.behind_proxy}")
            advertised.append(f"PROXIED://{self._proxied_at}")
        if node in self._controllers:
            listeners.append(f"CONTROLLER://{self._controller_ports[node].address}")
        return {
            "process.roles": "broker,controller" if node in self._controllers else "broker",
            "node.id": str(node),
            "controller.quorum.voters": ",".join(
                f"{voter}@{port.address}" for voter, port in self._controller_ports.items()
            ),
            "listeners": ",".join(listeners),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(data),
            "num.partitions": "4",
            "auto.create.topics.enable": "true",
            "default.replication.factor": copies,
            "min.insync.replicas": "2" if len(self._nodes) >= 3 else "1",
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker is replaced, and may come back, after this time and not after 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # By default 128 MiB of heap.
            "log.cleaner.dedupe.buffer.size": str(4 << 20),
            **self._settings,
        }


def _write(path: Path, properties: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


def _kafka_uuid() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
