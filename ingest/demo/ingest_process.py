"""`ingest run` as a child process of the demo, with its own configuration."""

import http.client
import re
from pathlib import Path
from urllib.parse import urlsplit

from ingest.demo.figures import Figures, read_figures
from ingest.demo.hub import CommandAccess
from ingest.demo.plan import TIER, UNITS
from ingest.demo.process import ChildProcess
from ingest.errors import IngestError
from ingest.timing import Deadline

TOPIC = "iotin"
DEAD_LETTER_TOPIC = "iotin.dead"
POSITION_TOPIC = "ingest-positions"
COMMAND_TOPIC = "iotout"
COMMAND_DEAD_LETTER_TOPIC = "iotout.dead"
START_SECONDS = 60.0
HTTP_SECONDS = 2.0
SESSION_MS = 6_000
CLUSTER_SESSION_MS = 3_000
"""The mock cluster's groups wait almost that long at each rebalance, and there are two when a node joins."""
_POLL_SECONDS = 0.05
_METRICS_URL = re.compile(r"(http://\S+)/metrics")

# One sink process: in a group of two, the mock cluster refuses a member that asks for its partitions after the leader
# has assigned them (rdkafka_mock_cgrp.c allows no SyncGroup in the state Up), and then no member reads them.
# message.max.bytes saves the source the question for the topic's limit, which the mock cluster does not answer.
_CONFIG = """\
[hub]
event_hub_connection_string = "{hub}"
{commands}
[source]
topic = "{topic}"
dead_letter_topic = "{dead_letters}"
position_topic = "{positions}"
delivery = "{delivery}"
[sink]
processes = 1
topics = ["{command_topic}"]
dead_letter_topic = "{command_dead_letters}"
tier = "{tier}"
units = {units}
[checkpoints]
store = "file"
path = "{folder}/checkpoints"
interval_seconds = 1
{cluster}
[kafka]
bootstrap_servers = "{kafka}"
librdkafka."message.max.bytes" = 1000000
librdkafka."session.timeout.ms" = {session_ms}
[metrics]
port = 0
[service]
shutdown_seconds = 15
"""
_CLUSTER = """\
[cluster]
coordination = "kafka"
shared_checkpoint_folder = true
"""
_COMMANDS = """\
iot_hub_connection_string = "{hub}"
ca_file = "{ca_file}"
"""


class IngestProcess:
    """After `wait_until_ready` it receives every partition, and sends commands if the hub takes them; `close` drains,
    `join` waits for that."""

    def __init__(
        self,
        hub_connection_string: str,
        commands: CommandAccess | None,
        kafka: str,
        folder: Path,
        delivery: str | None = None,
        number: int = 0,
        nodes: int = 1,
    ) -> None:
        """`number`: which of `nodes` it is; with more than one they share the hub."""
        name = f"ingest-{number + 1}" if nodes > 1 else "ingest"
        config = folder / f"{name}.toml"
        config.touch(mode=0o600)
        config.write_text(
            _CONFIG.format(
                hub=hub_connection_string,
                commands=_COMMANDS.format(hub=commands.connection_string, ca_file=commands.ca_file) if commands else "",
                topic=TOPIC,
                dead_letters=DEAD_LETTER_TOPIC,
                positions=POSITION_TOPIC,
                delivery=delivery or "at_least_once",
                command_topic=COMMAND_TOPIC,
                command_dead_letters=COMMAND_DEAD_LETTER_TOPIC,
                tier=TIER,
                units=UNITS,
                folder=folder,
                kafka=kafka,
                cluster=_CLUSTER if nodes > 1 else "",
                session_ms=CLUSTER_SESSION_MS if nodes > 1 else SESSION_MS,
            )
        )
        self._process = ChildProcess(name, ["ingest", "run", "-c", str(config)], folder, talks=False)
        self._address = ""

    @property
    def group(self) -> int:
        return self._process.group

    def start(self) -> None:
        self._process.start()

    def wait_until_ready(self) -> None:
        """Raises IngestError if it ends, or is not ready in time."""
        deadline = Deadline(START_SECONDS)
        while not self.ready():
            if self.died(_POLL_SECONDS):
                raise IngestError(self.obituary())
            if deadline.expired:
                raise IngestError(f"`ingest run` is not ready after {START_SECONDS:g} s. {self.last_words()}")

    def died(self, seconds: float = 0.0) -> bool:
        """Whether it has ended, or ends within `seconds`."""
        return self._process.wait(seconds) is not None

    def obituary(self) -> str:
        return f"`ingest run` ended with status {self._process.wait(0)}. {self.last_words()}"

    def last_words(self) -> str:
        return self._process.last_words()

    def figures(self) -> Figures | None:
        """Returns its figures now; None if its metrics are unavailable."""
        text = self._get("/metrics")
        return read_figures(text) if text is not None else None

    def close(self) -> None:
        self._process.close()

    def terminate(self) -> None:
        self._process.terminate()

    def join(self, deadline: Deadline) -> None:
        self._process.join(deadline)

    def ready(self) -> bool:
        """Whether it says so now."""
        if not self._address:
            found = _METRICS_URL.search(self._process.log.read_text(errors="replace"))
            self._address = urlsplit(found[1]).netloc if found else ""
        return bool(self._address) and self._get("/readyz") is not None

    def _get(self, path: str) -> str | None:
        connection = http.client.HTTPConnection(self._address, timeout=HTTP_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.read().decode() if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
