"""What the fork server loads for the sink's children."""

import subprocess
import sys


def test_the_fast_transport_comes_without_the_libraries_of_the_other() -> None:
    code = "import sys, ingest.sink.preload, ingest.sink.trial; print({each.partition('.')[0] for each in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "ingest" in loaded
    assert [each for each in ("azure", "uamqp") if f"'{each}'" in loaded] == []
