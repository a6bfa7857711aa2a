"""librdkafka's built-in mock cluster: a Kafka on loopback with no Java, for the demo and for broker-fault tests.

The Python package does not expose it, so it is called through ctypes in the package's own library.
"""

import ctypes
import ctypes.util
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ingest.errors import Unreachable

_PRODUCER = 0
_ERROR_TEXT_BYTES = 512


class MockCluster:
    """Brokers 1…`brokers` on free loopback ports, in threads of this process.

    Producers (idempotent and transactional), consumers and consumer groups work; topics are made with `create_topic`,
    or by a producer's first use with 4 partitions. CreateTopics and the other admin requests are not served.

    **It forgets.** A partition keeps 5 MiB of batches as they were sent (compressed), at most 100,000 batches, and
    silently drops its oldest beyond that (`rdkafka_mock.c`): read it while it is written, or stay below.

    Not thread-safe. Raises Unreachable if the library cannot be found or refuses.
    """

    def __init__(self, brokers: int = 1) -> None:
        self._library = _load()
        error = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
        configuration = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        # Errors and worse: otherwise each lost connection of a fault test is a line on stderr.
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"3", error, _ERROR_TEXT_BYTES)
        self._handle = ctypes.c_void_p(
            self._library.rd_kafka_new(_PRODUCER, configuration, error, ctypes.c_size_t(_ERROR_TEXT_BYTES))
        )
        if not self._handle:
            raise Unreachable(f"librdkafka made no handle for the mock cluster: {error.value.decode()}")
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, brokers))
        if not self._cluster:
            self._library.rd_kafka_destroy(self._handle)
            raise Unreachable(f"librdkafka made no mock cluster of {brokers} brokers: is a loopback port free?")
        self.brokers = range(1, brokers + 1)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Raises Unreachable if the topic exists."""
        self._ask("topic_create", name.encode(), partitions, len(self.brokers))

    def set_down(self, broker: int) -> None:
        """Closes the broker's connections and its port until `set_up`. Its records stay."""
        self._ask("broker_set_down", broker)

    def set_up(self, broker: int) -> None:
        self._ask("broker_set_up", broker)

    def set_rtt(self, broker: int, seconds: float) -> None:
        """Delays every answer of the broker by this much."""
        self._ask("broker_set_rtt", broker, round(seconds * 1000))

    def set_group_delay(self, seconds: float) -> None:
        """Sets how long a new consumer group waits for more members before its first assignment; 3 s by default."""
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, round(seconds * 1000))

    def push_errors(self, api_key: int, errors: Sequence[int]) -> None:
        """Answers the next requests of this kind, at any broker, with these error codes, one each, in order.

        Both are Kafka protocol numbers: Produce is 0, Metadata 3; NOT_ENOUGH_REPLICAS 19, REQUEST_TIMED_OUT 7.
        """
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(errors), codes)

    def clear_errors(self, api_key: int) -> None:
        """Drops the pushed errors that have hit no request yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def close(self) -> None:
        """Ends the brokers and forgets all records. Can be called twice."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._handle)
            self._cluster = ctypes.c_void_p()

    def __enter__(self) -> "MockCluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: str, *arguments: object) -> None:
        code = getattr(self._library, f"rd_kafka_mock_{request}")(self._cluster, *arguments)
        if code:
            why = self._library.rd_kafka_err2str(code).decode()
            raise Unreachable(f"mock cluster: {request}{arguments} was refused: {why}")


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(_find())
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    int16, int32 = ctypes.c_int16, ctypes.c_int32
    for name, result, arguments in (
        ("conf_new", pointer, ()),
        ("conf_set", number, (pointer, text, text, text, size)),
        ("new", pointer, (number, pointer, text, size)),
        ("destroy", None, (pointer,)),
        ("err2str", text, (number,)),
        ("mock_cluster_new", pointer, (pointer, number)),
        ("mock_cluster_destroy", None, (pointer,)),
        ("mock_cluster_bootstraps", text, (pointer,)),
        ("mock_topic_create", number, (pointer, text, number, number)),
        ("mock_broker_set_down", number, (pointer, int32)),
        ("mock_broker_set_up", number, (pointer, int32)),
        ("mock_broker_set_rtt", number, (pointer, int32, number)),
        ("mock_group_initial_rebalance_delay_ms", None, (pointer, int32)),
        ("mock_clear_request_errors", None, (pointer, int16)),
        ("mock_push_request_errors_array", None, (pointer, int16, size, ctypes.POINTER(number))),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def _find() -> str:
    """Returns the librdkafka of the installed confluent-kafka: beside the package in Linux wheels, inside it in macOS
    wheels, the system's if the package was built from source."""
    import confluent_kafka

    package = Path(confluent_kafka.__file__).parent
    wheel = [*(package.parent / "confluent_kafka.libs").glob("librdkafka*"), *(package / ".dylibs").glob("librdkafka*")]
    found = str(wheel[0]) if wheel else ctypes.util.find_library("rdkafka")
    if found is None:
        raise Unreachable(
            f"librdkafka was found neither beside {package} nor on this system: install confluent-kafka from a wheel"
        )
    return found
