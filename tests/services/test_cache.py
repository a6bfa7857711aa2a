"""tests.services.cache and the downloads in it: parallel callers get one download and the same answer."""

import subprocess
import sys

import pytest

from tests.services import ROOT, cache, javascript, kafka_jars


def test_a_second_process_waits_for_the_lock() -> None:
    code = "from tests.services.cache import locked\nwith locked('test'): print('mine', flush=True)"
    with cache.locked("test"):
        second = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=0.5)
    assert second.communicate(timeout=10)[0] == "mine\n"


@pytest.mark.services
def test_downloads_are_complete() -> None:
    assert (kafka_jars.ensure() / "kafka_2.13-4.4.0.jar").exists()
    packages = javascript.ensure() / "node_modules"
    assert (packages / "azurite").is_dir()
    assert (packages / "@azure" / "event-hubs").is_dir()


@pytest.mark.services
def test_node_runs_the_packages_of_the_lock_file() -> None:
    script = "console.log(typeof require('@azure/event-hubs').EventHubConsumerClient)"
    done = subprocess.run(
        [*javascript.node_command(), "-e", script],
        cwd=javascript.ensure(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "function\n"
