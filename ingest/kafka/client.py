"""Every client of librdkafka is made here, with the settings that all have in common, and its health is told here.

librdkafka tells an error callback alone why no broker answers, and its statistics alone that a broker says nothing any
more; who waits for a client has to know both.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ingest.config import Kafka, Secret
from ingest.kafka.complaints import Complaints
from ingest.kafka.not_made import not_made
from ingest.kafka.statistics import KafkaStatistics
from ingest.logs import Repeated, and_more

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient

SILENT_MS = 20_000
EVERY_CLIENT: Mapping[str, str | int | bool] = {
    "socket.keepalive.enable": True,
    # A connection that died without a word is given up after so long; librdkafka's minute is too long for whoever waits.
    "socket.timeout.ms": SILENT_MS,
    # A client that is idle asks so often, and finds a dead connection before somebody waits for it.
    "topic.metadata.refresh.interval.ms": 10_000,
    # What librdkafka logs of lost connections, the error callback tells, too, and less often.
    "log_level": 2,
}
STATISTICS_MS = 2_000
"""What `ClientHealth` learns of a silent broker is so old at the most."""

OnError = Callable[["KafkaError"], None]

logger = logging.getLogger(__name__)


def settings(kafka: Kafka) -> dict[str, Any]:
    """What the user configured for librdkafka, secrets in the clear, over what suits any kind of client here."""
    chosen = {key: value.reveal() if isinstance(value, Secret) else value for key, value in kafka.librdkafka.items()}
    return {**EVERY_CLIENT, "bootstrap.servers": kafka.bootstrap_servers, **chosen}


def new_producer(chosen: Mapping[str, Any], **callbacks: Callable[..., None]) -> "Producer":
    """`chosen` are librdkafka's settings, such as `settings` gives; `callbacks` as `error_cb`. Raises ConfigError for those
    that it does not take, Unreachable when the machine has no room for a client now. So do the two below."""
    from confluent_kafka import KafkaException, Producer

    try:
        return Producer({**chosen, **callbacks}, logger=logger)
    except KafkaException as wrong:
        raise not_made(wrong) from None


def new_consumer(chosen: Mapping[str, Any], **callbacks: Callable[..., None]) -> "Consumer":
    from confluent_kafka import Consumer, KafkaException

    try:
        return Consumer({**chosen, **callbacks}, logger=logger)
    except KafkaException as wrong:
        raise not_made(wrong) from None


def new_admin(chosen: Mapping[str, Any], **callbacks: Callable[..., None]) -> "AdminClient":
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        complete: dict[str, Any] = {**chosen, **callbacks}
        return AdminClient(complete, logger=logger)
    except KafkaException as wrong:
        raise not_made(wrong) from None


class ClientHealth:
    """What the callbacks of one client, or of some that reach the same brokers, have told. Runs inside their `poll`."""

    def __init__(
        self,
        chosen: Mapping[str, Any],
        *,
        purpose: str = "",
        silence_is_trouble: bool = False,
        level: int = logging.WARNING,
    ) -> None:
        """`chosen`: the clients' settings. `purpose`: what they do, for the log, where a process has others.
        `silence_is_trouble`: whether a single broker that says nothing stops them. `level`: of errors in the log."""
        self.statistics = KafkaStatistics()
        self.trouble: str | None = None
        """Why Kafka cannot be reached, in words; None while it can."""
        self._bootstrap = chosen["bootstrap.servers"]
        self._speaker = f"Kafka, {purpose}" if purpose else "Kafka"
        self._silence_is_trouble = silence_is_trouble
        self._level = level
        self._complaints = Complaints()
        self._repeated = Repeated()

    def callbacks(self, client: int = 0) -> dict[str, Callable[..., None]]:
        """Of the client with this number, for the functions above. Give it `statistics.interval.ms`, too."""
        return {"error_cb": self.on_error, "stats_cb": lambda text: self.on_statistics(text, client)}

    @property
    def silence(self) -> str | None:
        """Which broker owes answers and gives none, in words; None while all answer."""
        silence = self.statistics.silence
        return f"Kafka at {self._bootstrap}: {silence}" if silence is not None else None

    def answered(self) -> None:
        """A broker has done what was asked of it."""
        self.trouble = None

    def on_error(self, error: "KafkaError") -> None:
        if error.code() < 0:  # others are of a topic or a group, which a broker has told
            self._complaints(error)
        brokers_up = self.statistics.brokers_up
        self.trouble = self._complaints.trouble(error, self._bootstrap, brokers_up=brokers_up) or self.trouble
        held = self._repeated.admit(error.name())
        if held is not None:
            logger.log(self._level, "%s: %s%s.", self._speaker, error.str(), and_more(held))

    def on_statistics(self, text: str, client: int = 0) -> None:
        self.statistics.update(text, producer=client)
        if self._silence_is_trouble and self.silence is not None:
            self.trouble = self.silence
        elif self.statistics.brokers_up:
            self.trouble = None
            self._complaints.clear()
