"""One-shot child: checks whether the services accept the sink of a configuration that is not in force yet."""

from ingest.config import Config
from ingest.errors import ConfigError, Problem, Unreachable
from ingest.hub.network.route import iot_hub_route
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.sink.preflight import check_topics
from ingest.timing import Deadline

LINK_SECONDS = 10.0
"""Time-out of one try to open a link for commands."""
TURN_SECONDS = 0.2


def run(child: Child) -> None:
    """Hands up True. Raises ConfigError, or Refused if a key is wrong, the hub unknown or a topic missing; goes on
    trying while a service does not answer."""
    config = child.task.config
    wait_until_available(
        child, f"connecting to Kafka at {config.kafka.bootstrap_servers}", lambda: check_topics(config)
    )
    wait_until_available(child, "asking the hub for a link for commands", lambda: _open_link(child, config))
    if not child.stopping:
        child.result(True)


def _open_link(child: Child, config: Config) -> None:
    from ingest.sink.sending.sender import Sender

    hub = config.hub.iot_hub
    if hub is None:
        raise ConfigError([Problem("hub.iot_hub_connection_string", "", "is needed to send commands")])
    route = iot_hub_route(config, hub)
    sender = Sender(hub, config.hub.ca_file, transport=config.sink.transport, route=route)
    deadline = Deadline(LINK_SECONDS)
    sender.start()
    try:
        while not sender.ready and not child.stopping:
            sender.poll(TURN_SECONDS)
            child.beat(False, sender.trouble or "a link for commands is up")
            if deadline.expired:
                raise Unreachable(f"no link for commands to {hub.host} within {LINK_SECONDS:g} s: {sender.trouble}")
    finally:
        sender.close()
