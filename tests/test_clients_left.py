"""Tests that leave clients of Kafka behind."""

import subprocess
import sys
from pathlib import Path

from tests.services import ROOT

PLUGIN = """
from tests.clients_left import ClientsLeft

def pytest_configure(config):
    config.pluginmanager.register(ClientsLeft())
"""
TESTS = """
import pytest
from confluent_kafka import Producer

kept = []

class Cycle:
    def __init__(self):
        self.client = Producer({"bootstrap.servers": "127.0.0.1:1", "error_cb": self.hear, "log_level": 0})

    def hear(self, error): ...

@pytest.fixture(scope="module")
def shared():
    return Cycle()

@pytest.fixture
def own():
    return Cycle()

def test_shares(shared): ...
def test_drops(own, shared): ...
def test_leaves(): kept.append(Cycle())
def test_comes_after_it(): ...
def test_fails():
    kept.append(Cycle())
    assert not kept
"""


def test_a_test_that_leaves_a_client_fails_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:benchmark",
        "-p",
        "no:cacheprovider",
        "-rA",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "ERROR at teardown of test_leaves" in done.stdout, done.stdout
    assert "1 clients of librdkafka are left: close consumers" in done.stdout
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 failed, 4 passed, 1 error in ")
