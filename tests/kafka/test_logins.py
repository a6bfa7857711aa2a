"""Every way to log in to Apache Kafka, through our own clients; and each refusal, with its sentence."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from ingest.config import Config, Hub, Kafka, Secret
from ingest.doctor.kafka import KafkaChecks
from ingest.doctor.runner import run_checks
from ingest.errors import ConfigError, IngestError, Mismatched, Refused, Unreachable
from ingest.kafka import authorities
from ingest.kafka.admin import TopicMaker, TopicResult, Topics, existing_topics
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, ends_of
from ingest.kafka.client import new_consumer, settings
from ingest.kafka.producer import ProducerPool
from ingest.sink.intake.consumer import CommandConsumer
from ingest.timing import Deadline
from tests.config.samples import IOT_HUB
from tests.kafka.mocked import PATIENCE
from tests.services.authority import PASSWORD as KEY_PASSWORD
from tests.services.authority import Authority, Issued
from tests.services.secure_kafka import NAMESPACE, PASSWORD, USER, SecureKafka
from tests.services.token_endpoint import CLIENT, SECRET, TokenEndpoint

pytestmark = pytest.mark.services
HUSH = "Hush"
"""In every secret here."""


class World(NamedTuple):
    kafka: SecureKafka
    tokens: TokenEndpoint
    ca_file: Path
    client: Issued
    stranger: Issued
    """Of another authority."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("logins")
    authority = Authority(folder)
    server = authority.issue("broker", "localhost", "127.0.0.1")
    stranger = Authority(folder, "elsewhere").issue("stranger")
    with TokenEndpoint(server) as tokens, SecureKafka(folder, authority, server, tokens) as kafka:
        yield World(kafka, tokens, authority.ca_file, authority.issue("client"), stranger)


def configured(world: World, listener: str, login: Mapping[str, str]) -> Kafka:
    secret = ("sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret")
    chosen = {name: Secret(value) if name in secret else value for name, value in login.items() if value}
    if "ssl.ca.location" not in login and "PLAINTEXT" not in login.get("security.protocol", ""):
        chosen["ssl.ca.location"] = str(world.ca_file)
    return Kafka(world.kafka.at[listener], librdkafka=chosen)


def by_password(mechanism: str, **other: str) -> dict[str, str]:
    login = {"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism}
    return login | {"sasl.username": USER, "sasl.password": PASSWORD} | other


def by_certificate(issued: Issued, key: Path | None = None) -> dict[str, str]:
    files = {"ssl.certificate.location": str(issued.certificate), "ssl.key.location": str(key or issued.key)}
    return {"security.protocol": "SSL", **files}


def by_token(world: World, *, secret: str = SECRET, url: str | None = None) -> dict[str, str]:
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": CLIENT,
        "sasl.oauthbearer.client.secret": secret,
        "sasl.oauthbearer.token.endpoint.url": world.tokens.url if url is None else url,
    }


def by_metadata(world: World) -> dict[str, str]:
    """As a machine in Azure does."""
    login = by_token(world, secret="", url=world.tokens.metadata_url) | {"sasl.oauthbearer.client.id": ""}
    query = "query=api-version=2018-02-01&resource=api://kafka"
    return login | {
        "sasl.oauthbearer.metadata.authentication.type": "azure_imds",
        "sasl.oauthbearer.config": query,
    }


@pytest.fixture
def trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the token endpoint's authority."""
    monkeypatch.setattr(authorities, "bundle", lambda: str(world.ca_file))


def written_and_read(kafka: Kafka) -> None:
    """As a start does: the topic is looked up, written, and read to its end."""
    topic, value = f"logins-{uuid.uuid4().hex}", uuid.uuid4().bytes
    partitions = TopicMaker(settings(kafka)).describe(topic, PATIENCE)
    pool = ProducerPool(kafka, client_id="test")
    pool.start()
    answers: list[object] = []
    assert pool.send(topic, b"k", value, None, 0, lambda error, _: answers.append(error))
    assert pool.join(Deadline(PATIENCE)), pool.trouble
    assert answers == [None]
    consumer = new_consumer({**CONSUMER, "fetch.wait.max.ms": 10, **settings(kafka), "group.id": "logins"})
    try:
        ends = ends_of(consumer, topic, partitions, Deadline(PATIENCE))
        records = list(BoundedReader(consumer, topic, dict(ends)).to_the_end(Deadline(PATIENCE)))
    finally:
        consumer.close()
    assert [record.value() for record in records] == [value]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_password(world: World, mechanism: str) -> None:
    written_and_read(configured(world, "PASSWORDS", by_password(mechanism)))


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_certificate(world: World, encrypted: bool) -> None:
    login = by_certificate(world.client, world.client.encrypted_key if encrypted else None)
    written_and_read(
        configured(world, "CERTIFICATES", login | ({"ssl.key.password": KEY_PASSWORD} if encrypted else {}))
    )


@pytest.mark.usefixtures("trusted")
def test_a_token_for_a_secret_over_https(world: World) -> None:
    written_and_read(configured(world, "TOKENS", by_token(world)))


@pytest.mark.usefixtures("trusted")
def test_a_token_of_the_machine(world: World) -> None:
    written_and_read(configured(world, "TOKENS", by_metadata(world)))
    assert any("resource=api://kafka" in path for path in world.tokens.asked)


def test_event_hubs_in_both_directions(world: World) -> None:
    """Its login and all its settings, written with what only its own service tells: the port, and the authority."""
    authority = {"ssl.ca.location": str(world.ca_file)}
    kafka = Kafka(world.kafka.at["PASSWORDS"], "event_hubs", Secret(NAMESPACE), librdkafka=authority)
    written_and_read(kafka)
    topic = f"commands-{uuid.uuid4().hex}"
    TopicMaker(settings(kafka)).describe(topic, PATIENCE)
    pool = ProducerPool(kafka, client_id="test")
    pool.start()
    pool.send(topic, b"k", b"v", None, 0, lambda *_: None)
    assert pool.join(Deadline(PATIENCE))
    commands = CommandConsumer(kafka, (topic,), topic, client_id="test", on_revoked=print, on_lost=print)
    commands.start()
    deadline = Deadline(PATIENCE)
    while not commands.poll(1, 0.1):
        assert not deadline.expired, commands.trouble
    commands.close()
    assert existing_topics(kafka, [topic], PATIENCE) == [TopicResult(topic, "exists", 4)]
    with pytest.raises(Refused, match=r"topics that do not exist: missing: .*create an event hub of each name"):
        existing_topics(kafka, [topic, "missing"], PATIENCE)
    config = Config(hub=Hub(iot_hub_connection_string=Secret(IOT_HUB)), kafka=kafka)
    seen = next(run_checks(KafkaChecks(config).checks()[:1], seconds=PATIENCE))
    assert (seen.result, seen.seen) == ("ok", f"{kafka.bootstrap_servers}: Azure Event Hubs, 1 broker")
    wrong = replace(kafka, connection_string=Secret(NAMESPACE.replace("a2V5", "b2V5")))
    seen = next(run_checks(KafkaChecks(replace(config, kafka=wrong)).checks()[:1], seconds=PATIENCE))
    assert "Authentication failed" in seen.seen
    assert "for Event Hubs kafka.connection_string" in seen.fix


def refusal(kafka: Kafka, seconds: float = PATIENCE) -> IngestError:
    """What a start is told, which quotes no secret. It does not take `seconds`, unless it waits for somebody."""
    with pytest.raises(IngestError) as refused:
        Topics(settings(kafka)).describe("t", seconds)
    assert HUSH not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("listener", "login", "kind", "words"),
    [
        (
            "PASSWORDS",
            by_password("SCRAM-SHA-512", **{"sasl.password": "no"}),
            Refused,
            "correct sasl.mechanism, sasl.u",
        ),
        (
            "PASSWORDS",
            by_password("PLAIN", **{"sasl.password": "no"}),
            Refused,
            "correct sasl.mechanism, sasl.username",
        ),
        ("TOKENS", by_password("PLAIN"), Mismatched, "takes logins by OAUTHBEARER, and sasl.mechanism is PLAIN"),
        ("PASSWORDS", {"security.protocol": "SSL"}, Mismatched, "wants a login"),
        ("PASSWORDS", {}, Mismatched, "speaks TLS and wants a login"),
        ("PLAINTEXT", by_password("PLAIN"), Mismatched, "does not speak TLS and takes no login"),
        ("CERTIFICATES", {}, Mismatched, "speaks TLS, and security.protocol is plaintext"),
        ("CERTIFICATES", {"security.protocol": "SSL"}, Refused, "write ssl.certificate.location and ssl.key.location"),
    ],
)
def test_a_client_of_another_kind(
    world: World, listener: str, login: dict[str, str], kind: type[IngestError], words: str
) -> None:
    error = refusal(configured(world, listener, login))
    assert type(error) is kind, error
    assert words in str(error)
    assert error.exit_code == (78 if kind is Mismatched else 69)


def test_certificates_that_are_not_taken(world: World) -> None:
    unknown = refusal(configured(world, "CERTIFICATES", by_certificate(world.stranger)))
    assert type(unknown) is Refused
    assert "ssl.certificate.location" in str(unknown)
    broker = refusal(configured(world, "PASSWORDS", by_password("PLAIN") | {"ssl.ca.location": ""}))
    assert type(broker) is Refused
    assert "write the authority that signed the brokers' certificates (PEM) as ssl.ca.location" in str(broker)
    for key, why in (
        (world.stranger.key, "ssl.key.location: is not the key of the certificate"),
        (world.client.encrypted_key, "ssl.key.password, or ssl.key.password_file, is missing or wrong"),
    ):
        wrong = refusal(configured(world, "CERTIFICATES", by_certificate(world.client, key)))
        assert isinstance(wrong, ConfigError)
        assert why in str(wrong)


def test_tokens_that_do_not_come(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    untrusted = refusal(configured(world, "TOKENS", by_token(world)))
    assert type(untrusted) is Refused
    assert "as https.ca.location" in str(untrusted)
    monkeypatch.setattr(authorities, "bundle", lambda: str(world.ca_file))
    unknown = refusal(configured(world, "TOKENS", by_token(world, secret="no")))
    assert type(unknown) is Refused
    assert "sasl.oauthbearer" in str(unknown)
    away = refusal(configured(world, "TOKENS", by_token(world, url="https://127.0.0.1:1/")), 1.0)
    assert type(away) is Unreachable, "it is waited for"
    assert "see whether sasl.oauthbearer.token.endpoint.url" in str(away)
