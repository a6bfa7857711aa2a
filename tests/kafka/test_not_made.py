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


def test_a_setting_that_librdkafka_does_not_take_is_the_configuration_s_fault() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.librdkafka.*no\.such\.setting"):
        TopicMaker({"no.such.setting": 1})
