"""Apache Kafka's jar files: the broker's, and the console producer's."""

from pathlib import Path

from tests.services import maven

_BROKER = Path(__file__).with_name("pom.xml")
_CONSOLE = Path(__file__).with_name("console.xml")


def ensure() -> Path:
    """The folder with the broker's jar files, downloaded first if need be (about 45 MB). Raises ServiceError."""
    return maven.jars(_BROKER, "kafka")


def ensure_console() -> Path:
    """The folder with the console producer's jar files, downloaded first if need be (24 MB). Raises ServiceError."""
    return maven.jars(_CONSOLE, "kafka")
