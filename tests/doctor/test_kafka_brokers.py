"""Listeners of every kind, on Apache Kafka; and brokers that advertise what leads nowhere."""

import socket
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient

from ingest.config import Config, Hub, Kafka, Secret
from ingest.doctor.check import Finding
from ingest.doctor.kafka import KafkaChecks
from ingest.doctor.kafka_brokers import BROKERS, ask_brokers
from ingest.doctor.listener_judges import Broker, judge_brokers
from ingest.doctor.runner import run_checks
from ingest.kafka import listener
from ingest.kafka.listener import Address, Look, addresses, look
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.security import PLAINTEXT, Security, mismatch
from tests.config.samples import IOT_HUB
from tests.doctor.conftest import Listeners
from tests.services.kafka import KafkaCluster

impatient = pytest.mark.usefixtures("little_patience")
USER = {"sasl.mechanism": "PLAIN", "sasl.username": "edge", "sasl.password": "s3cret"}


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clients that will not be served, however long they wait. What is looked at has its usual time."""
    monkeypatch.setattr(listener, "CLIENT_SECONDS", 0.3)
    monkeypatch.setattr(listener, "DOUBT_SECONDS", 0.0)


def checked(bootstrap: str, **librdkafka: str) -> dict[str, Finding]:
    """The cluster and its brokers, as the doctor finds them in the time that it has."""
    dotted = {name.replace("_", ".", 1).replace("_", "."): value for name, value in librdkafka.items()}
    config = Config(hub=Hub(iot_hub_connection_string=Secret(IOT_HUB)), kafka=Kafka(bootstrap, librdkafka=dotted))
    checks = KafkaChecks(config).checks()[:2]
    return {finding.check: finding for finding in run_checks(checks, seconds=30)}


@pytest.mark.services
class TestApacheKafka:
    @pytest.fixture
    def at(self, authorized: KafkaCluster, listeners: Listeners) -> Callable[[str], Address]:
        return lambda name: addresses(listeners.at[name])[0]

    @pytest.mark.parametrize("expected", ["plain", "tls"])
    @pytest.mark.parametrize(
        ("name", "speaks", "logins"),
        [("tls", "tls", ()), ("login", "plain", ("PLAIN",)), ("tlslogin", "tls", ("PLAIN",)), ("noname", "plain", ())],
    )
    def test_what_a_listener_is(
        self,
        at: Callable[[str], Address],
        name: str,
        speaks: str,
        logins: tuple[str, ...],
        expected: str,
    ) -> None:
        seen = look(at(name), "tls" if expected == "tls" else "plain")
        assert (seen.trouble, seen.speaks, seen.logins) == ("", speaks, logins)

    @impatient
    @pytest.mark.parametrize(
        ("name", "settings", "seen", "protocol"),
        [
            ("tls", {}, "speaks TLS, and security.protocol is plaintext", "ssl"),
            ("login", {}, "wants a login (PLAIN)", "sasl_plaintext"),
            ("tlslogin", {}, "speaks TLS and wants a login (PLAIN)", "sasl_ssl"),
            ("noname", {"security.protocol": "ssl"}, "does not speak TLS", "plaintext"),
            ("tls", {"security.protocol": "sasl_ssl", **USER}, "takes no login", "ssl"),
            ("noname", {"security.protocol": "SASL_SSL", **USER}, "does not speak TLS and takes no login", "plaintext"),
        ],
    )
    def test_a_client_for_another_kind_of_listener(
        self,
        authorized: KafkaCluster,
        listeners: Listeners,
        name: str,
        settings: dict[str, str],
        seen: str,
        protocol: str,
    ) -> None:
        findings = checked(listeners.at[name], **settings)
        assert findings["Kafka"].result == "fail"
        assert seen in findings["Kafka"].seen
        assert f'"security.protocol" = "{protocol}"' in findings["Kafka"].fix
        assert ("sasl.password" in findings["Kafka"].fix) == (protocol.startswith("sasl"))
        assert findings[BROKERS].result == "skipped"

    def test_a_right_client_gets_to_every_broker(self, authorized: KafkaCluster, listeners: Listeners) -> None:
        assert checked(authorized.bootstrap)[BROKERS].seen == f"reached at {authorized.bootstrap}, as advertised"
        trusted = {"security.protocol": "sasl_ssl", "ssl.ca.location": str(listeners.ca_file), **USER}
        assert checked(listeners.at["tlslogin"], **trusted)[BROKERS].result == "ok"

    @impatient
    @pytest.mark.parametrize(
        ("name", "seen", "fix"),
        [
            ("noname", "broker 1 at no-such-broker.invalid:9092: the name has no address here", "/etc/hosts"),
            ("nobody", "broker 1 at 127.0.0.1:1: connection refused", "TCP port 1 through"),
            ("tlsport", "speaks TLS, and security.protocol is plaintext", "another kind of listener"),
        ],
    )
    def test_a_broker_that_advertises_what_leads_nowhere(
        self, authorized: KafkaCluster, listeners: Listeners, name: str, seen: str, fix: str
    ) -> None:
        bootstrap = listeners.at[name]
        cluster = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=30)
        advertised = {number: Address(str(each.host), each.port) for number, each in cluster.brokers.items()}
        verdict = ask_brokers(Kafka(bootstrap), advertised, cluster.cluster_id, PLAINTEXT)
        assert verdict.result == "fail"
        assert verdict.seen.startswith("1 of 1 not reached as advertised: ")
        assert seen in verdict.seen
        assert "advertised.listeners of broker 1" in verdict.fix
        assert fix in verdict.fix


def test_every_broker_is_tried_wherever_the_first_connection_goes() -> None:
    with MockCluster(brokers=3) as cluster:
        every = cluster.bootstrap.split(",")
        found = checked(every[1])[BROKERS]
    assert (found.result, found.seen) == ("ok", f"reached at {', '.join(every)}, as advertised")


def test_a_bootstrap_server_that_is_not_missed_while_another_answers() -> None:
    with MockCluster() as cluster:
        right = cluster.bootstrap
        found = checked(f"{right},127.0.0.1:1")[BROKERS]
    assert (found.result, found.seen) == (
        "warn",
        f"reached at {right}, as advertised; but of kafka.bootstrap_servers 127.0.0.1:1: connection refused",
    )
    tls = Look(Address("kafka9", 9093), "", speaks="tls")
    told = judge_brokers([Broker(1, HERE, cluster="a")], "a", "kafka2:9092,kafka9:9093", PLAINTEXT, [tls])
    assert (told.result, "kafka9:9093 speaks TLS" in told.seen) == ("warn", True)


@pytest.mark.usefixtures("little_patience")
def test_a_cluster_none_of_whose_listeners_is_reached_is_told_of_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(listener, "_SPEECH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        servers = f"127.0.0.1:1,no-such-broker.invalid:9092,127.0.0.1:{port}"
        found = checked(servers)["Kafka"]
    assert found.result == "fail"
    assert "(127.0.0.1:1: connection refused; no-such-broker.invalid:9092: " in found.seen
    assert f"127.0.0.1:{port}: no Kafka broker, with TLS or without: it takes the connection" in found.seen


@pytest.mark.usefixtures("little_patience")
def test_names_without_address_are_the_dns_s_business() -> None:
    found = checked("no-such-broker.invalid:9092")["Kafka"]
    assert (found.result, "DNS" in found.fix) == ("fail", True)


def test_a_port_that_takes_connections_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(listener, "_SPEECH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = look(Address(*silent.getsockname()), "plain")
    assert (seen.trouble, seen.words) == ("mute", "it takes the connection and says nothing")


def test_names_and_ports() -> None:
    assert look(Address("no-such-broker.invalid", 9092), "plain").trouble == "no_address"
    assert look(Address("127.0.0.1", 1), "tls") == Look(Address("127.0.0.1", 1), "no_connection", "connection refused")
    assert addresses("kafka1:9092, [::1]:9093") == [Address("kafka1", 9092), Address("::1", 9093)]
    assert str(Address("::1", 9093)) == "[::1]:9093"


HERE = Address("kafka2", 9092)


def judged(broker: Broker, bootstrap: str = "kafka1:9092", security: Security = PLAINTEXT) -> tuple[str, str, str]:
    others = [Broker(number, Address(f"kafka{number}", 9092), cluster="a") for number in (0, 1)]
    verdict = judge_brokers([*others, broker], "a", bootstrap, security)
    return verdict.result, verdict.seen, verdict.fix


@pytest.mark.parametrize(
    ("broker", "seen", "fix"),
    [
        (Broker(2, HERE, cluster="b"), "another cluster answers there (b)", "leads to another cluster"),
        (Broker(2, HERE, ("_TIMED_OUT", "")), "no answer in time", "this machine can reach"),
        (
            Broker(2, Address("localhost", 9092), ("_TRANSPORT", ""), look=Look(HERE, "no_connection", "refused")),
            "its own loopback (refused)",
            "not localhost",
        ),
        (Broker(2, HERE, ("_TRANSPORT", ""), look=Look(HERE, "mute", "it ends")), "no Kafka broker", "proxy"),
        (
            Broker(2, HERE, ("_SSL", "certificate verify failed"), look=Look(HERE, "", speaks="tls")),
            "certificate verify failed",
            "must name kafka2",
        ),
        (
            Broker(2, HERE, ("_AUTHENTICATION", "bad user"), look=Look(HERE, "", speaks="tls", logins=("PLAIN",))),
            "bad user",
            "every broker",
        ),
    ],
)
def test_what_is_wrong_with_a_broker(broker: Broker, seen: str, fix: str) -> None:
    tls = Security(tls=True, login=bool(broker.look and broker.look.logins))
    result, words, mended = judged(broker, security=tls if broker.look and broker.look.speaks else PLAINTEXT)
    assert result == "fail"
    assert words.startswith(f"1 of 3 not reached as advertised: broker 2 at {broker.address}: ")
    assert seen in words
    assert fix in mended


def test_many_brokers_are_told_of_in_one_line() -> None:
    brokers = [Broker(number, Address(f"kafka{number}", 9092), cluster="a") for number in range(100)]
    fine = judge_brokers(brokers, "a", "kafka0:9092", PLAINTEXT)
    assert fine.seen == "reached at kafka0:9092, kafka1:9092, kafka2:9092, kafka3:9092 and 96 more, as advertised"
    silent = [Broker(each.number, each.address, ("_TIMED_OUT", "")) for each in brokers]
    assert judge_brokers(silent, "a", "kafka0:9092", PLAINTEXT).seen.endswith("; and 96 more")


def test_what_a_listener_does_not_tell_is_taken_as_configured() -> None:
    """Of one that wants a certificate of the client, say."""
    tls = Look(HERE, "", speaks="tls")
    assert mismatch(tls, Security(tls=True, login=True)) is None
    assert mismatch(tls, Security(tls=True, login=False)) is None
    other = mismatch(tls, Security(tls=False, login=True))
    assert other is not None
    assert '"security.protocol" = "sasl_ssl"' in other[1]


@pytest.mark.parametrize(
    ("protocol", "security"),
    [
        (None, Security(False, False)),
        ("SSL", Security(True, False)),
        ("sasl_plaintext", Security(False, True)),
        ("SASL_SSL", Security(True, True)),
    ],
)
def test_the_protocol(protocol: str | None, security: Security) -> None:
    assert Security.of({} if protocol is None else {"security.protocol": protocol}) == security
    assert str(security) == (protocol or "plaintext").lower()
