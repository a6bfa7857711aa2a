"""Which topics a configuration uses, and what for: the same for the start, the doctor and `ingest topics create`. Pure."""

from collections.abc import Collection
from typing import Literal

from ingest.config import Config, directions

Use = Literal["read", "write"]


def topics_in_use(config: Config, running: Collection[str] | None = None) -> dict[str, Use]:
    """Returns topic → what ingest does with it, for the directions in `running`; None: for the configured ones."""
    running = directions(config) if running is None else running
    source, sink = config.source, config.sink
    uses: dict[str, Use] = {}
    if "source" in running:
        uses |= {source.topic: "write", source.dead_letter_topic: "write"}
        if config.needs_position_topic:
            uses[source.position_topic] = "write" if source.delivery == "exactly_once" else "read"
    if "sink" in running:
        uses |= dict.fromkeys(sink.topics, "read")
        uses |= {sink.dead_letter_topic: "write"}
        if sink.ack != "none":
            uses[sink.feedback_topic] = "write"
    return uses
