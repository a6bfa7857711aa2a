"""Why no broker answers: librdkafka reports that only to a client's error callback, and raises a time-out.

The one place that knows librdkafka's words for what is wrong with TLS, a login or a token, and how each is mended.
"""

import re
from typing import TYPE_CHECKING, Final

from ingest.config.values import without_user
from ingest.errors import IngestError, Refused, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_LASTING: Final = frozenset({"_AUTHENTICATION", "_SSL", "_INVALID_ARG"})
"""Waiting does not mend these. A connection that ends during a handshake is _TRANSPORT."""
_PASSING: Final = frozenset(
    {
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "REPLICA_NOT_AVAILABLE",
        "FENCED_LEADER_EPOCH",
        "UNKNOWN_LEADER_EPOCH",
        "OFFSET_NOT_AVAILABLE",
        "KAFKA_STORAGE_ERROR",
        "REQUEST_TIMED_OUT",
        "NETWORK_EXCEPTION",
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR",
        "NOT_CONTROLLER",
    }
)
"""Brokers' answers while leaders move. librdkafka calls them retriable only in the answer to some of its calls."""
_SILENCE: Final = frozenset({"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN"})
"""No broker has answered: another complaint can say why."""
_ALERT: Final = re.compile(r"SSL alert number (\d+)")
"""How a broker refuses a client's certificate; librdkafka calls that _TRANSPORT."""
_NO_TOKEN: Final = re.compile(r"Failed to acquire SASL OAUTHBEARER token|there is no token available")
"""The token endpoint, and not a broker, is to blame."""
_UNTRUSTED: Final = re.compile(r"trust anchors|certificate", re.IGNORECASE)
_TOKEN_REFUSED: Final = re.compile(
    r"""trust\ anchors|certificate|wrong\ version\ number   # of its TLS
    |"error"\s*:\s*"(?:invalid|unauthorized|unsupported)     # RFC 6749, section 5.2
    |\(4(?!08|29)\d\d\)                                     # HTTP's status
    |"sub" """,
    re.IGNORECASE | re.VERBOSE,
)
"""What waiting does not mend at a token endpoint; it can also be away, or busy."""

_HERE: Final = "in [kafka.librdkafka]"
_ALERTS: Final = {
    40: "no cipher or certificate suits the broker: write ssl.certificate.location and ssl.key.location "
    f"{_HERE} if it wants a certificate of this client",
    44: f"this client's certificate is revoked: write the one in force as ssl.certificate.* and ssl.key.* {_HERE}",
    45: f"this client's certificate has expired: renew that of ssl.certificate.* {_HERE}",
    48: "the broker does not know the authority that signed this client's certificate: correct ssl.certificate.* and "
    f"ssl.key.* {_HERE}, or add the authority to the broker's truststore",
    70: "the broker does not take this version of TLS",
    116: f"the broker wants a certificate of this client: write ssl.certificate.location and ssl.key.location {_HERE}",
}
"""TLS's number of an alert (RFC 8446, section 6) → the fix."""
_OTHER_ALERT: Final = (
    "the broker refuses this client's certificate, or misses one: write ssl.certificate.location and ssl.key.location "
    f"{_HERE} of one that it trusts"
)
_BY_WORDS: Final = (
    ("Unsupported SASL mechanism", f"write one of these as sasl.mechanism {_HERE}, with what that login needs"),
    (
        "invalid_token",
        f"the brokers refuse the token: correct sasl.oauthbearer.client.id, its secret and scope {_HERE}",
    ),
    ("OAUTHBEARER", f"correct what begins with sasl.oauthbearer {_HERE}"),
    (
        "certificate could not be verified",
        f"write the authority that signed the brokers' certificates (PEM) as ssl.ca.location {_HERE}; they must also name "
        "the hosts of kafka.bootstrap_servers",
    ),
    ("PLAINTEXT broker listener", f"correct security.protocol {_HERE}, or take the port of a listener with TLS"),
)
"""A part of librdkafka's words → the fix."""
_BY_NAME: Final = {
    "_AUTHENTICATION": f"correct sasl.mechanism, sasl.username and sasl.password {_HERE}, or for Event Hubs "
    "kafka.connection_string",
    "_SSL": f"correct security.protocol and ssl.ca.location {_HERE}",
    "_RESOLVE": "correct the host in kafka.bootstrap_servers or in the brokers' advertised.listeners, or mend the DNS",
    "_ALL_BROKERS_DOWN": "they take connections and close them without a word, as listeners for TLS do: correct "
    f"security.protocol {_HERE}",
}


REFUSAL: Final = 5
"""The weight of an error that waiting does not mend."""


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

        One broker's complaint alone is not trouble while others answer; after a refused login, or without a token,
        perhaps nothing else comes.
        """
        if self.worst is None:
            return None
        alone = not brokers_up and (self.refused or _NO_TOKEN.search(self.worst.str()) is not None)
        if error.name() != "_ALL_BROKERS_DOWN" and not alone:
            return None
        return f"Kafka at {bootstrap}: {words(self.worst)}"

    def reason(self, failed: "KafkaError") -> "KafkaError":
        """Returns the complaint that explains why a request has `failed`, or the failure itself if none does."""
        return self.worst if unanswered(failed) and self.worst is not None else failed


def unanswered(error: "KafkaError") -> bool:
    """Whether a request has failed because no broker has answered it."""
    return error.name() in _SILENCE


def weight(error: "KafkaError") -> int:
    """Returns how much it explains."""
    return REFUSAL if lasting(error) else weight_of(error.name(), error.str())


def weight_of(name: str, text: str) -> int:
    """Returns how much librdkafka's error explains: most a rejected login, then a missing token and librdkafka's guess
    about a listener, then a broken connection, then that no broker is left, then that nothing came."""
    if _refuses(name, text):
        return REFUSAL
    if name == "_RESOLVE" or "listener?" in text or _NO_TOKEN.search(text):
        return 4
    return {"_TRANSPORT": 3, "_ALL_BROKERS_DOWN": 2}.get(name, 1)


def lasting(error: "KafkaError") -> bool:
    """Whether a service has refused, so that waiting does not help."""
    if error.code() < 0:
        return _refuses(error.name(), error.str())
    return not (error.retriable() or error.name() in _PASSING)


def _refuses(name: str, text: str) -> bool:
    if _NO_TOKEN.search(text):
        return _TOKEN_REFUSED.search(text) is not None
    return name in _LASTING or _ALERT.search(text) is not None


def fix_of(name: str, text: str) -> str | None:
    """Returns how librdkafka's error is mended; None if that is not known."""
    if _NO_TOKEN.search(text):
        return _token_fix(text)
    alert = _ALERT.search(text)
    if alert is not None:
        return _ALERTS.get(int(alert[1]), _OTHER_ALERT)
    return next((fix for mark, fix in _BY_WORDS if mark in text), _BY_NAME.get(name))


def _token_fix(text: str) -> str:
    if not _TOKEN_REFUSED.search(text):
        return f"see whether sasl.oauthbearer.token.endpoint.url {_HERE} is right and up"
    if _UNTRUSTED.search(text):
        return f"write the authority that signed the token endpoint's certificate (PEM) as https.ca.location {_HERE}"
    return (
        f"correct what begins with sasl.oauthbearer {_HERE}: the endpoint's URL, the client's id, its secret, the scope"
    )


def words(error: "KafkaError") -> str:
    """Returns librdkafka's words, without the user in a URL, and the fix if it is known."""
    said, fix = without_user(error.str()), fix_of(error.name(), error.str())
    return f"{said}; {fix}" if fix else said


def classified(error: "KafkaError", sentence: str) -> IngestError:
    """Returns Refused if waiting does not mend it, else Unreachable."""
    return (Refused if lasting(error) else Unreachable)(f"{sentence}: {words(error)}")
