"""A librdkafka client that could not be made: its settings are wrong, or the machine has no room for its threads now."""

import re
from typing import TYPE_CHECKING, Final

from ingest import scarcity
from ingest.errors import ConfigError, IngestError, Problem, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaException


_FILE: Final = re.compile(r"((?:ssl|https)\.[a-z.]+)`? (?:failed|must)")
"""librdkafka's words before what OpenSSL says of a file."""
_FIXES: Final = (
    ("key values mismatch", "is not the key of the certificate in ssl.certificate.*: write two that belong together"),
    ("system lib", "cannot be read: correct the path, or let the user of this process read it"),
    ("BIO lib", "cannot be read: correct the path, or let the user of this process read it"),
    ("existing file", "cannot be read: correct the path, or let the user of this process read it"),
    ("no certificate", "holds no certificate in PEM: write the path of a file with one"),
    ("Expecting: CERTIFICATE", "is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----"),
    (
        "PEM lib",
        "is no private key in PEM, or one that is encrypted: then ssl.key.password, or ssl.key.password_file, is missing or "
        "wrong",
    ),
    (
        "No provider for SASL mechanism",
        "this client has no such login: write sasl.mechanism = PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    ),
    ("Unsupported SASL mechanism", "write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER as sasl.mechanism"),
)
"""A part of librdkafka's words → what is wrong, and the fix."""


def not_made(error: "KafkaException") -> IngestError:
    """Returns the error to raise instead of the constructor's: ConfigError, or Unreachable, which is tried again."""
    told = error.args[0].str().rstrip()  # some of its words end with a line break
    # librdkafka gives the system's words, and only for some clients its own code (_CRIT_SYS_RESOURCE).
    lacking = scarcity.in_words_of_the_system(told)
    if lacking is not None or error.args[0].name() == "_CRIT_SYS_RESOURCE":
        return Unreachable(f"no client of Kafka can be made: {lacking or scarcity.NO_TASK}")
    fix = next((fix for mark, fix in _FIXES if mark in told), None)
    if fix is None:
        return ConfigError([Problem("kafka.librdkafka", "", told)])
    file = _FILE.search(told)
    if file is None:
        return ConfigError([Problem("kafka.librdkafka", "", f"{told}: {fix}")])
    return ConfigError([Problem(f"kafka.librdkafka.{file[1]}", "", f"{fix} ({told})")])
