"""Apache Kafka's jar files: the broker's, and the console producer's."""

import hashlib
from pathlib import Path

from tests.services import maven
from tests.services.cache import FOLDER

_BROKER = Path(__file__).with_name("pom.xml")
_CONSOLE = Path(__file__).with_name("console.xml")


def ensure() -> Path:
    """The folder with the broker's jar files, downloaded first if need be (about 45 MB). Raises ServiceError."""
    return maven.jars(_BROKER, "kafka")


def ensure_console() -> Path:
    """The folder with the console producer's jar files, downloaded first if need be (24 MB). Raises ServiceError."""
    return maven.jars(_CONSOLE, "kafka")


def class_archive(java: str, jars: Path) -> Path:
    """Where the broker's classes are, as this Java has prepared them; missing until `broker_classes` has made it."""
    program = Path(java).resolve()
    made_for = f"{jars} {program} {program.stat().st_mtime_ns}"
    return FOLDER / f"kafka-classes-{hashlib.sha256(made_for.encode()).hexdigest()[:12]}.jsa"
