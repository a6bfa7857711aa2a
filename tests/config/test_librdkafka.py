import math

import pytest

from ingest.config.librdkafka import is_secret, librdkafka_setting
from ingest.config.values import BadValue, Secret


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("linger.ms", 5, "5"),
        ("linger.ms", 0.5, "0.5"),
        ("socket.keepalive.enable", True, "true"),
        ("compression.type", "lz4", "lz4"),
        ("acks", "all", "all"),
        ("acks", -1, "-1"),
        ("enable.idempotence", True, "true"),
        ("max.in.flight", 5, "5"),
        ("partitioner", "murmur2_random", "murmur2_random"),
        ("sasl.password", "x", Secret("x")),
        ("ssl.key.pem", "x", Secret("x")),
        ("sasl.oauthbearer.client.secret", "x", Secret("x")),
        ("sasl.username", "x", "x"),
        ("sasl.oauthbearer.token.endpoint.url", "https://x", "https://x"),
    ],
)
def test_settings_that_pass_through(name: str, raw: object, expected: str | Secret) -> None:
    assert librdkafka_setting(name, raw) == expected


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("acks", 1, "can lose events"),
        ("request.required.acks", "0", "can lose events"),
        ("enable.idempotence", False, "duplicated and reordered"),
        ("max.in.flight.requests.per.connection", 6, "break the order"),
        ("partitioner", "random", "must follow from the device"),
        ("bootstrap.servers", "a:1", "belongs to kafka.bootstrap_servers"),
        ("metadata.broker.list", "a:1", "belongs to kafka.bootstrap_servers"),
        ("message.timeout.ms", 1000, "keeps every event"),
        ("delivery.timeout.ms", 1000, "keeps every event"),
        ("retries", 3, "keeps every event"),
        ("delivery.report.only.error", True, "delivery reports"),
        ("transactional.id", "x", "transactions"),
        ("group.id", "x", "belongs to sink.group_id"),
        ("enable.auto.commit", True, "commits an offset only"),
        ("statistics.interval.ms", 5, "set by ingest itself"),
        ("sasl.jaas.config", "x", "sasl.username and sasl.password"),
        ("sasl.pasword", "x", "did you mean sasl.password?"),
        ("brokers", ["a"], "a list is text with commas"),
        ("oauth_cb", "x", "a function in a program"),
        ("on_commit", "x", "a function in a program"),
        ("default.topic.config", "x", "beside all others"),
        ("linger.ms", math.nan, "expects a number"),
        ("linger.ms", math.inf, "expects a number"),
        ("sasl.password", "hunter2\0", "a NUL inside"),
    ],
)
def test_settings_that_would_break_a_promise(name: str, raw: object, why: str) -> None:
    with pytest.raises(BadValue) as raised:
        librdkafka_setting(name, raw)
    assert why in str(raised.value)


@pytest.mark.parametrize("name", ["sasl.pasword", "sasl.jaas.config", "ssl.keystore.password", "some.new.token"])
def test_settings_whose_values_are_never_shown(name: str) -> None:
    assert is_secret(name)
