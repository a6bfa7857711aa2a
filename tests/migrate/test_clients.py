"""Settings of Java's clients as librdkafka's, and that librdkafka takes them."""

import pytest
from confluent_kafka import Producer

from ingest.config.values import Secret
from tests.migrate.samples import SINK, SOURCE, WORKER, complaints, translated

PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="in" password="pa\\"s;s=1";'


def settings(**properties: str) -> dict[str, object]:
    """Settings of librdkafka, of a worker's; `__` stands for a dot."""
    worker = {**WORKER, **{name.replace("__", "."): value for name, value in properties.items()}}
    translation, _ = translated(SOURCE, SINK, worker=worker)
    assert complaints(translation) == {}
    return {each.name[2]: each.value for each in translation.settings if each.name[1] == "librdkafka"}


def test_a_login() -> None:
    found = settings(
        producer__security__protocol="SASL_SSL", producer__sasl__mechanism="PLAIN", producer__sasl__jaas__config=PLAIN
    )
    assert found == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "in",
        "sasl.password": Secret('pa"s;s=1'),
    }
    Producer({name: value.reveal() if isinstance(value, Secret) else value for name, value in found.items()})


def test_a_kerberos_login() -> None:
    jaas = "com.sun.security.auth.module.Krb5LoginModule required keyTab='/k' principal=in@REALM serviceName=kafka;"
    assert settings(consumer__sasl__jaas__config=jaas) == {
        "sasl.kerberos.principal": "in@REALM",
        "sasl.kerberos.keytab": "/k",
        "sasl.kerberos.service.name": "kafka",
    }


def test_names_and_units_that_differ() -> None:
    found = settings(
        producer__buffer__memory="33554433",
        producer__max__request__size="2000000",
        producer__linger__ms="20",
        producer__compression__type="gzip",
        consumer__fetch__max__wait__ms="100",
        consumer__receive__buffer__bytes="-1",
        consumer__auto__offset__reset="latest",
        consumer__ssl__endpoint__identification__algorithm="",
    )
    assert found == {
        "queue.buffering.max.kbytes": "32769",
        "message.max.bytes": "2000000",
        "linger.ms": "20",
        "compression.type": "gzip",
        "fetch.wait.max.ms": "100",
        "socket.receive.buffer.bytes": "0",
        "auto.offset.reset": "latest",
        "ssl.endpoint.identification.algorithm": "none",
    }
    Producer(found)


def test_what_would_break_a_promise_is_left_out_with_the_reason() -> None:
    worker = {**WORKER, "producer.acks": "1", "producer.retries": "3", "consumer.max.poll.records": "10"}
    translation, _ = translated(SOURCE, worker=worker)
    assert [each for each in translation.settings if each.name[1] == "librdkafka"] == []
    said = "\n".join(sentence for _, sentence in translation.remarks)
    assert "producer.acks in worker is not taken over: fewer acknowledgements can lose events." in said
    assert "producer.retries in worker is not taken over: ingest keeps every event" in said
    assert "consumer.max.poll.records in worker is not taken over: commands are paced" in said


def test_a_connectors_own_setting_wins_and_a_producers_over_a_consumers() -> None:
    worker = {
        **WORKER,
        "security.protocol": "SSL",
        "consumer.security.protocol": "PLAINTEXT",
        "producer.linger.ms": "1",
    }
    translation, _ = translated(
        {**SOURCE, "producer.override.linger.ms": "2", "producer.override.security.protocol": "SASL_SSL"}, worker=worker
    )
    found = {each.name[2]: each.value for each in translation.settings if each.name[1] == "librdkafka"}
    assert found == {"security.protocol": "SASL_SSL", "linger.ms": "2"}
    assert any("differ, and there is one [kafka.librdkafka]" in sentence for _, sentence in translation.remarks)


def test_stores_of_certificates() -> None:
    pem = settings(
        producer__ssl__truststore__location="/ca.pem",
        producer__ssl__truststore__type="PEM",
        producer__ssl__keystore__location="/me.p12",
        producer__ssl__keystore__type="PKCS12",
        producer__ssl__keystore__password="secret",
    )
    assert pem == {
        "ssl.ca.location": "/ca.pem",
        "ssl.keystore.location": "/me.p12",
        "ssl.keystore.password": Secret("secret"),
    }


@pytest.mark.parametrize("name", ["truststore", "keystore"])
def test_javas_own_stores_are_refused_with_what_to_do(name: str) -> None:
    worker = {**WORKER, f"consumer.ssl.{name}.location": "/x.jks", f"consumer.ssl.{name}.password": "secret"}
    translation, _ = translated(SINK, worker=worker)
    [told] = complaints(translation).values()
    assert "Java's key stores are not read here" in told


def test_a_login_without_a_password_is_refused() -> None:
    translation, _ = translated(SINK, worker={**WORKER, "consumer.sasl.jaas.config": PLAIN.replace("password", "pass")})
    assert "has no username and password" in next(iter(complaints(translation).values()))


def test_producers_of_another_cluster_are_refused_and_of_the_same_one_not() -> None:
    same = {**WORKER, "producer.bootstrap.servers": "kafka1:9092 ,kafka2:9092"}
    assert complaints(translated(SOURCE, worker=same)[0]) == {}
    translation, _ = translated(SOURCE, worker={**same, "producer.bootstrap.servers": "other:9092"})
    assert complaints(translation)["worker: producer.bootstrap.servers"].startswith("is another cluster than")
