"""A Kafka that asks who may do what, makes no topics by itself, and has a listener of every kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.emulator.certificate import make_certificate
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_edge="s3cret";'
SECURITY = {
    "tls": "SSL",
    "login": "SASL_PLAINTEXT",
    "tlslogin": "SASL_SSL",
    "noname": "PLAINTEXT",
    "nobody": "PLAINTEXT",
    "tlsport": "PLAINTEXT",
}
"""Listener → its security. The last three advertise what leads nowhere: a name without address, a port at which nobody
listens, the port of the listener with TLS."""


@dataclass(frozen=True)
class Listeners:
    """Addresses of the authorized cluster's listeners besides the plain one."""

    at: dict[str, str]
    ca_file: Path


@pytest.fixture(scope="session")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    ports = {name: ReservedPort() for name in SECURITY}
    folder = tmp_path_factory.mktemp("kafka-tls")
    certificate = make_certificate(folder, ("127.0.0.1",))
    (folder / "store.pem").write_bytes(certificate.key_file.read_bytes() + certificate.cert_file.read_bytes())
    yield Listeners({name: port.address for name, port in ports.items()}, certificate.ca_file)
    for port in ports.values():
        port.close()


@pytest.fixture(scope="session")
def authorized(listeners: Listeners) -> Iterator[KafkaCluster]:
    """Everybody may do everything with what no rule is about. Shared: use names of your own."""
    settings = {
        "auto.create.topics.enable": "false",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(listeners.ca_file.parent / "store.pem"),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": LOGIN,
        "listener.name.tlslogin.plain.sasl.jaas.config": LOGIN,
    }
    cluster = KafkaCluster(settings=settings, short_lived=True)
    at = {name.upper(): address for name, address in listeners.at.items()}
    nowhere = {"NONAME": "no-such-broker.invalid:9092", "NOBODY": "127.0.0.1:1", "TLSPORT": at["TLS"]}
    plain, controller = cluster.bootstrap, cluster._controller_ports[1].address
    settings |= {
        "listeners": ",".join(
            [f"PLAINTEXT://{plain}", f"CONTROLLER://{controller}", *(f"{name}://{each}" for name, each in at.items())]
        ),
        "advertised.listeners": ",".join(
            [f"PLAINTEXT://{plain}", *(f"{name}://{nowhere.get(name, each)}" for name, each in at.items())]
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ",".join(
            [
                "PLAINTEXT:PLAINTEXT",
                "CONTROLLER:PLAINTEXT",
                *(f"{name.upper()}:{security}" for name, security in SECURITY.items()),
            ]
        ),
    }
    with cluster:
        yield cluster
