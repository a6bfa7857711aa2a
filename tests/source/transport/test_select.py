"""Which transport is opened, and what it brings along."""

import subprocess
import sys

import pytest

from ingest.config import Config, Source
from ingest.emulator import Emulator
from ingest.source.transport.select import open_transport
from tests.source.readers import fill

PARTITION_PROCESS = """
import sys, tempfile
from pathlib import Path
import ingest.source.preload
from ingest.config import Checkpoints, Config, Hub, Secret
from ingest.hub import event_hubs
from ingest.hub.partition_look import try_to_read
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.hub.position import EARLIEST, StartAt
from ingest.source.receiving.receiver import Receiver
from ingest.source.transport.select import open_transport

config = Config(hub=Hub(event_hub_connection_string=Secret(sys.argv[1])))
open_store(Checkpoints(store="file", path=Path(sys.argv[2])), scope(config)).check()
assert event_hubs.standing(config, "0", created=True).newest == 9
assert [each.reason for each in try_to_read(config, event_hubs.partition_ids(config))] == [""]
reader = Receiver(open_transport(config, "0"), "0", StartAt(EARLIEST), last=None)
reader.start()
while reader.events < 10:
    reader.poll(0.1)
reader.close()
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("azure", "uamqp", "aiohttp")))
"""


@pytest.mark.parametrize("transport", ["sdk", "fast"])
def test_the_configured_transport_is_opened(transport: str) -> None:
    assert open_transport(Config(source=Source(transport=transport)), "7").name == transport


def test_a_partition_process_with_file_checkpoints_loads_nothing_of_azure(emulator: Emulator, tmp_path: object) -> None:
    fill(emulator, 10)
    text = emulator.endpoints.event_hub_connection_string
    done = subprocess.run(
        [sys.executable, "-c", PARTITION_PROCESS, text, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
