"""Why no broker answers: librdkafka reports that only to a client's error callback, and raises a time-out."""

from typing import TYPE_CHECKING

from ingest.errors import IngestError, Refused, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_LASTING = frozenset({"_AUTHENTICATION", "_SSL", "_INVALID_ARG"})
"""Waiting does not mend these. A connection that ends during a handshake is _TRANSPORT."""
_ALERT = "SSL alert number"
"""How a broker refuses a client's certificate; librdkafka calls that _TRANSPORT."""
_FIXES = {
    "_AUTHENTICATION": "correct sasl.mechanism, sasl.username and sasl.password in [kafka.librdkafka]",
    "_SSL": "correct security.protocol and ssl.ca.location in [kafka.librdkafka]",
    "_RESOLVE": "correct the host in kafka.bootstrap_servers or in the brokers' advertised.listeners, or mend the DNS",
    "_ALL_BROKERS_DOWN": "they take connections and close them without a word, as listeners for TLS do: correct "
    "security.protocol in [kafka.librdkafka]",
}

_REFUSED_BY_BROKER = (
    "the broker refuses this client's certificate: correct ssl.certificate.* and ssl.key.* in [kafka.librdkafka]"
)


class Complaints:
    """An `error_cb` that keeps the complaint that explains most, the latest of equal ones.

    A client runs it inside its own `poll`.
    """

    def __init__(self) -> None:
        self.worst: KafkaError | None = None

    def __call__(self, error: "KafkaError") -> None:
        if self.worst is None or weight(error) >= weight(self.worst):
            self.worst = error

    @property
    def refused(self) -> bool:
        """Whether the brokers reject this client, so that perhaps no other error follows."""
        return self.worst is not None and self.worst.code() < 0 and lasting(self.worst)

    def clear(self) -> None:
        """Notes that the brokers answer again."""
        self.worst = None

    def trouble(self, error: "KafkaError", bootstrap: str, *, brokers_up: int) -> str | None:
        """Returns why a client is unusable after this error, in words; None if it can still be usable.

        One broker's complaint alone is not trouble while others answer; after a refused login perhaps nothing else
        comes.
        """
        if self.worst is None or not (error.name() == "_ALL_BROKERS_DOWN" or (not brokers_up and self.refused)):
            return None
        return f"Kafka at {bootstrap}: {words(self.worst)}"

    def reason(self, failed: "KafkaError") -> "KafkaError":
        """Returns the complaint that explains why a request has `failed`, or the failure itself if none does."""
        silent = failed.name() in ("_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN")
        return self.worst if silent and self.worst is not None else failed


def weight(error: "KafkaError") -> int:
    """Returns how much it explains: most a rejected login, then librdkafka's guess about a listener, then a broken
    connection, then that no broker is left, then that nothing came."""
    if lasting(error):
        return 5
    if error.name() == "_RESOLVE" or "listener?" in error.str():
        return 4
    return {"_TRANSPORT": 3, "_ALL_BROKERS_DOWN": 2}.get(error.name(), 1)


def lasting(error: "KafkaError") -> bool:
    """Whether a service has refused, so that waiting does not help."""
    if error.code() < 0:
        return error.name() in _LASTING or _ALERT in error.str()
    return not error.retriable()


def words(error: "KafkaError") -> str:
    """Returns librdkafka's words, and the fix if it is known."""
    fix = _REFUSED_BY_BROKER if _ALERT in error.str() else _FIXES.get(error.name())
    return f"{error.str()}; {fix}" if fix else error.str()


def classified(error: "KafkaError", sentence: str) -> IngestError:
    """Returns Refused if waiting does not mend it, else Unreachable."""
    return (Refused if lasting(error) else Unreachable)(f"{sentence}: {words(error)}")
