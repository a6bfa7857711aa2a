"""Makes every client of librdkafka, with the settings that all have in common, and reports its health.

librdkafka reports only to an error callback why no broker answers, and only in its statistics that a broker has gone
silent; code that waits for a client needs both.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ingest.config import Kafka, Secret, event_hubs
from ingest.config.librdkafka import first_name
from ingest.config.values import without_user
from ingest.kafka.authorities import of_token_endpoint
from ingest.kafka.complaints import Complaints, lasting, words
from ingest.kafka.not_made import not_made
from ingest.kafka.statistics import KafkaStatistics
from ingest.logs import Repeated, and_more

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient

SILENT_MS = 20_000
EVERY_CLIENT: Mapping[str, str | int | bool] = {
    "socket.keepalive.enable": True,
    # A connection that died silently is given up after this time; librdkafka's minute is too long to wait.
    "socket.timeout.ms": SILENT_MS,
    # An idle client asks this often, and so finds a dead connection before it is needed.
    "topic.metadata.refresh.interval.ms": 10_000,
    # The error callback reports lost connections, too, and less often than librdkafka's log.
    "log_level": 2,
}
REFUSED_SECONDS = 15.0
"""A broker that refuses a client refuses it again within this time, as the client comes back every few seconds."""
STATISTICS_MS = 2_000
"""How old `ClientHealth`'s knowledge of a silent broker can be."""

OnError = Callable[["KafkaError"], None]

logger = logging.getLogger(__name__)


def settings(kafka: Kafka) -> dict[str, Any]:
    """Returns the user's settings for librdkafka, secrets in the clear, on top of what suits this kind of cluster and
    every client here."""
    wanted = event_hubs.preset(kafka) | {first_name(name): value for name, value in kafka.librdkafka.items()}
    chosen = {key: value.reveal() if isinstance(value, Secret) else value for key, value in wanted.items()}
    return {**EVERY_CLIENT, "bootstrap.servers": kafka.bootstrap_servers, **of_token_endpoint(chosen), **chosen}


def new_producer(chosen: Mapping[str, Any], **callbacks: Callable[..., None]) -> "Producer":
    """`chosen` are librdkafka's settings, such as `settings` gives; `callbacks` as `error_cb`. Raises ConfigError if it
    does not accept them, Unreachable if the machine has no room for a client now. So do the two below."""
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
    """What callbacks of one client, or of several with the same brokers, have reported. Runs inside their `poll`."""

    def __init__(
        self,
        chosen: Mapping[str, Any],
        *,
        purpose: str = "",
        silence_is_trouble: bool = False,
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`chosen`: the clients' settings. `purpose`: what they do, for the log, if a process has others.
        `silence_is_trouble`: whether a single broker that is silent, or refuses them, stops them. `level`: of errors in
        the log."""
        self.statistics = KafkaStatistics()
        self.trouble: str | None = None
        """Why Kafka cannot be reached, in words; None while it can."""
        self._bootstrap = chosen["bootstrap.servers"]
        self._speaker = f"Kafka, {purpose}" if purpose else "Kafka"
        self._silence_is_trouble = silence_is_trouble
        self._level = level
        self._clock = clock
        self._refusal: tuple[str, float] | None = None
        """The words of a broker's last refusal, and when it came."""
        self._complaints = Complaints()
        self._repeated = Repeated()

    def callbacks(self, client: int = 0) -> dict[str, Callable[..., None]]:
        """Returns callbacks for this client, for the functions above. Give it `statistics.interval.ms`, too."""
        return {"error_cb": self.on_error, "stats_cb": lambda text: self.on_statistics(text, client)}

    @property
    def silence(self) -> str | None:
        """Which broker owes answers and gives none, in words; None while all answer."""
        silence = self.statistics.silence
        return f"Kafka at {self._bootstrap}: {silence}" if silence is not None else None

    @property
    def _refused_now(self) -> str | None:
        if self._refusal is None or self._clock() - self._refusal[1] > REFUSED_SECONDS:
            return None
        return self._refusal[0]

    def answered(self) -> None:
        """Notes that a broker has done what it was asked."""
        self.trouble = None

    def on_error(self, error: "KafkaError") -> None:
        if error.code() < 0:  # others concern a topic or a group, and a broker reported them
            self._complaints(error)
        brokers_up = self.statistics.brokers_up
        if error.code() < 0 and lasting(error):
            self._refusal = f"Kafka at {self._bootstrap}: {words(error)}", self._clock()
        self.trouble = self._complaints.trouble(error, self._bootstrap, brokers_up=brokers_up) or self.trouble
        held = self._repeated.admit(error.name())
        if held is not None:
            logger.log(self._level, "%s: %s%s.", self._speaker, without_user(error.str()), and_more(held))

    def on_statistics(self, text: str, client: int = 0) -> None:
        self.statistics.update(text, producer=client)
        if self._silence_is_trouble and self.silence is not None:
            self.trouble = self.silence
        elif self._silence_is_trouble and self._refused_now is not None:
            self.trouble = self._refused_now
        elif self.statistics.brokers_up:
            self.trouble = None
            self._complaints.clear()
