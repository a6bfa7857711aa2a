"""Event Hubs as the Kafka cluster: what is set for it, and what contradicts it."""

from pathlib import Path

import pytest

from ingest.config import Config, Kafka, Secret, event_hubs, load
from ingest.config.connection_strings import namespace
from ingest.config.rendering import effective_toml
from ingest.config.values import BadValue
from ingest.errors import EXIT_CONFIG, ConfigError
from tests.config.samples import COMPLETE, NAMESPACE
from tests.config.samples import NAMESPACE_KEY as KEY

EMULATOR = f"{NAMESPACE};UseDevelopmentEmulator=true"
HERE = f'kind = "event_hubs"\nconnection_string = "{NAMESPACE}"\n'
THERE = 'kind = "event_hubs"\nbootstrap_servers = "plant.servicebus.windows.net:9093"\n'
TOKEN = '"sasl.mechanism" = "OAUTHBEARER"\n"sasl.oauthbearer.method" = "oidc"\n'


def loaded(tmp_path: Path, kafka: str, librdkafka: str = "") -> Config:
    path = tmp_path / "ingest.toml"
    path.write_text(f"{COMPLETE}\n[kafka]\n{kafka}\n[kafka.librdkafka]\n{librdkafka}")
    path.chmod(0o600)
    return load(path, environ={})


def test_the_connection_string_gives_server_and_login(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text(NAMESPACE)
    config = loaded(tmp_path, 'kind = "event_hubs"\nconnection_string_file = "namespace"')
    assert config.kafka.bootstrap_servers == "plant.servicebus.windows.net:9093"
    found = event_hubs.preset(config.kafka)
    assert (found["sasl.username"], found["sasl.password"]) == ("$ConnectionString", Secret(NAMESPACE))
    assert (found["security.protocol"], found["sasl.mechanism"]) == ("sasl_ssl", "PLAIN")
    assert (found["compression.type"], found["request.timeout.ms"]) == ("none", "60000")
    assert KEY not in effective_toml(config)
    assert event_hubs.preset(Kafka()) == {}


def test_a_server_of_one_s_own_and_the_emulator(tmp_path: Path) -> None:
    """A private endpoint, say."""
    config = loaded(tmp_path, f'{HERE}bootstrap_servers = "10.0.0.4:9093"')
    assert config.kafka.bootstrap_servers == "10.0.0.4:9093"
    local = loaded(
        tmp_path, HERE.replace(NAMESPACE, EMULATOR.replace("plant.servicebus.windows.net", "localhost:5672"))
    )
    assert local.kafka.bootstrap_servers == "localhost:9092"
    assert event_hubs.preset(local.kafka)["security.protocol"] == "sasl_plaintext"


@pytest.mark.parametrize("name", ["compression.type", "compression.codec"])
def test_what_the_user_chooses_stays(tmp_path: Path, name: str) -> None:
    config = loaded(tmp_path, HERE, f'"{name}" = "gzip"\n"request.timeout.ms" = 30000')
    assert not event_hubs.preset(config.kafka).keys() & {"compression.type", "request.timeout.ms"}
    by_hand = loaded(tmp_path, THERE.replace("event_hubs", "kafka"), f'"{name}" = "none"')
    assert event_hubs.preset(by_hand.kafka) == {}
    by_token = loaded(tmp_path, THERE, TOKEN)
    assert not event_hubs.preset(by_token.kafka).keys() & {"sasl.mechanism", "sasl.username", "sasl.password"}


@pytest.mark.parametrize(
    ("kafka", "librdkafka", "problem"),
    [
        (
            HERE,
            '"compression.type" = "lz4"',
            'librdkafka.compression.type = "lz4": Event Hubs takes gzip, in the Premium',
        ),
        (HERE, '"compression.codec" = "zstd"', 'librdkafka.compression.codec = "zstd": Event Hubs takes gzip'),
        (
            HERE,
            '"security.protocol" = "ssl"',
            'librdkafka.security.protocol = "ssl": Event Hubs takes a login over TLS',
        ),
        (
            HERE,
            '"sasl.mechanisms" = "SCRAM-SHA-256"',
            'librdkafka.sasl.mechanisms = "SCRAM-SHA-256": Event Hubs takes PL',
        ),
        (HERE, '"sasl.password" = "x"', "librdkafka.sasl.password = ***: is given by kafka.connection_string"),
        (HERE, TOKEN, "connection_string = ***: is a login by key"),
        (HERE, '"message.max.bytes" = 1046529', "requests of more than 1,046,528 bytes: write 1000 to 1000000"),
        (HERE, '"batch.size" = "2000000"', "1,046,528 bytes: write 1 to 1000000"),
        (HERE, '"request.timeout.ms" = 5000', "write 20000 to 900000"),
        (HERE, '"connections.max.idle.ms" = 0', "idle for four minutes: write 1 to 239999"),
        (HERE, '"socket.keepalive.enable" = false', "Azure drops idle connections"),
        (HERE, '"enable.idempotence" = false', "duplicated and reordered"),
        (HERE, '"transactional.id" = "x"', "transactions"),
        (HERE.replace("event_hubs", "kafka"), "", 'that of an Event Hubs namespace: write kafka.kind = "event_hubs"'),
        (
            HERE.replace(f'{KEY}"', f'{KEY};EntityPath=iotin"'),
            "",
            "EntityPath makes it the connection string of one event",
        ),
        ('kind = "event_hubs"', "", "connection_string: is required by kafka.kind"),
        ('kind = "event_hubs"', TOKEN, "bootstrap_servers: is required without kafka.connection_string"),
        (THERE, '"sasl.username" = "$ConnectionString"', "connection_string: is required by kafka.kind"),
        (THERE.replace("9093", "9092"), TOKEN, "is at port 9093"),
        ('kind = "eventhubs"', "", 'kind = "eventhubs": write one of "kafka", "event_hubs"'),
        (
            THERE.replace("event_hubs", "kafka"),
            "",
            'kind = "kafka": plant.servicebus.windows.net:9093 is an Azure Event',
        ),
        ("", '"sasl.mechanism" = "OAUTHBEARER"', 'gets no token without "sasl.oauthbearer.method" = "oidc"'),
    ],
)
def test_what_contradicts_it(tmp_path: Path, kafka: str, librdkafka: str, problem: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        loaded(tmp_path, kafka, librdkafka)
    assert wrong.value.exit_code == EXIT_CONFIG
    assert len(wrong.value.problems) == 1
    assert str(wrong.value).startswith("kafka.")
    assert problem in str(wrong.value)
    assert KEY not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("HostName=h.azure-devices.net;SharedAccessKeyName=a;SharedAccessKey=a2V5", "Endpoint is missing"),
        ("Endpoint=sb://n/;SharedAccessKeyName=a", "SharedAccessKey is missing"),
        ("Endpoint=https://n/;SharedAccessKeyName=a;SharedAccessKey=b", "Endpoint is not of the form"),
    ],
)
def test_connection_strings_that_are_none_of_a_namespace(text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        namespace(text)


@pytest.mark.parametrize(
    ("servers", "is_one"),
    [("a.servicebus.windows.net:9093", True), ("A.ServiceBus.chinacloudapi.cn:9093", True), ("kafka1:9092,k:1", False)],
)
def test_a_namespace_is_known_by_its_name(servers: str, is_one: bool) -> None:
    assert event_hubs.is_namespace(servers) == is_one
