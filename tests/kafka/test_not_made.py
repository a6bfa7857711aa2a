import pytest
from confluent_kafka import KafkaError, KafkaException

from ingest.errors import ConfigError, Unreachable
from ingest.kafka.admin import TopicMaker
from ingest.kafka.not_made import not_made


@pytest.mark.parametrize(
    ("code", "told", "words"),
    [
        (
            KafkaError._CRIT_SYS_RESOURCE,
            "Failed to create thread: Resource temporarily unavailable (11)",
            "process or thread",
        ),
        (0, "Failed to create admin client: Failed to create background thread: Cannot allocate memory", "no memory"),
        (KafkaError._CRIT_SYS_RESOURCE, "Failed to create pipe: Too many open files (24)", "no file descriptor"),
        (KafkaError._CRIT_SYS_RESOURCE, "Failed", "process or thread"),
    ],
)
def test_want_of_room_is_no_fault_of_the_configuration(code: int, told: str, words: str) -> None:
    error = not_made(KafkaException(KafkaError(code, told)))
    assert isinstance(error, Unreachable)
    assert words in str(error)


@pytest.mark.parametrize(
    ("settings", "key", "fix"),
    [
        ({"ssl.ca.location": "/no/such.pem"}, "kafka.librdkafka.ssl.ca.location: ", "cannot be read: correct the path"),
        ({"ssl.ca.location": __file__}, "kafka.librdkafka.ssl.ca.location: ", "holds no certificate in PEM"),
        ({"https.ca.location": "/no/such.pem"}, "kafka.librdkafka.https.ca.location: ", "cannot be read"),
        ({"security.protocol": "sasl_ssl"}, "kafka.librdkafka: ", "write sasl.mechanism = PLAIN, SCRAM-SHA-256"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "X"}, "kafka.librdkafka: ", "write PLAIN, SCRAM-SHA-256"),
    ],
)
def test_a_file_or_login_that_cannot_be_used_is_told_by_its_key(settings: dict[str, str], key: str, fix: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        TopicMaker({"security.protocol": "ssl", **settings})
    assert str(wrong.value).startswith(key)
    assert fix in str(wrong.value)


def test_a_setting_that_librdkafka_does_not_take_is_the_configuration_s_fault() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.librdkafka.*no\.such\.setting"):
        TopicMaker({"no.such.setting": 1})


def test_what_librdkafka_says_of_a_value_is_one_line() -> None:
    with pytest.raises(ConfigError) as wrong:
        TopicMaker({"linger.ms": 99_999_999_999})
    assert str(wrong.value).endswith("allowed range 0..900000")
