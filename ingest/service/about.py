"""What the status page tells of the node besides its metrics: where the data comes from and goes to. No secrets."""

import socket
import time
from typing import Any, Final

from ingest import __version__
from ingest.config import Config
from ingest.metrics.status.document import About

_STARTED: Final = time.time()


def about(config: Config, running: tuple[str, ...], *, stopping: bool) -> About:
    """`running`: the command's directions."""
    return About(
        node=socket.gethostname(),
        version=__version__,
        started=_STARTED,
        stopping=stopping,
        source=_source(config) if "source" in running and config.reads_telemetry else None,
        sink=_sink(config) if "sink" in running and config.sends_commands else None,
    )


def _source(config: Config) -> dict[str, Any]:
    event_hub, iot_hub = config.hub.event_hub, config.hub.iot_hub
    host = event_hub.host if event_hub else iot_hub.host if iot_hub else None
    return {
        "hub": host,
        "event_hub": event_hub.event_hub if event_hub else None,
        "consumer_group": config.source.consumer_group,
        "topic": config.source.topic,
        "format": config.source.format,
        "dead_letter_topic": config.source.dead_letter_topic,
        "kafka": config.kafka.bootstrap_servers,
    }


def _sink(config: Config) -> dict[str, Any]:
    hub = config.hub.iot_hub
    return {
        "hub": hub.host if hub else None,
        "topics": config.sink.topics,
        "group_id": config.sink.group_id,
        "dead_letter_topic": config.sink.dead_letter_topic,
        "feedback_topic": None if config.sink.ack == "none" else config.sink.feedback_topic,
        "kafka": config.kafka.bootstrap_servers,
    }
