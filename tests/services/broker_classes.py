"""The classes of a Kafka broker, loaded and checked once for all later starts, which take half the CPU time for it."""

import tempfile
from pathlib import Path

from tests.services import kafka_jars, prerequisites
from tests.services.cache import FOLDER, locked
from tests.services.kafka import KafkaCluster

_END_SECONDS = 60


def ensure() -> None:
    """Lets a broker write its classes down as it ends, unless that is done. Raises ServiceError.

    Where Java cannot do so, nothing is written, and brokers start as ever.
    """
    archive = kafka_jars.class_archive(prerequisites.java(), kafka_jars.ensure())
    with locked("kafka-classes"):
        if archive.exists():
            return
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix="kafka-classes-") as temporary:
            made = Path(temporary, archive.name)
            with KafkaCluster(short_lived=True, jvm=[f"-XX:ArchiveClassesAtExit={made}"]) as cluster:
                cluster.close()
                cluster.join(_END_SECONDS)
            if made.exists():
                made.rename(archive)
