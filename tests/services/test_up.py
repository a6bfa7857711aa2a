"""`python -m tests.services up`, as scripts use it: one line of JSON, services behind it, an end on SIGTERM."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import BlobServiceClient
from confluent_kafka.admin import AdminClient

from tests.services import ROOT
from tests.services.ports import answers

pytestmark = pytest.mark.services
COMMAND = (sys.executable, "-m", "tests.services", "up", "--json")
# Brokers that start sooner, and live no longer than a test.
ENVIRONMENT = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}


@contextmanager
def _up(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.faults
def test_up_prints_where_both_answer_starts_a_killed_broker_again_and_stops_them_on_sigterm() -> None:
    with _up() as (process, where):
        assert where.keys() == {"kafka", "blob"}
        assert len(AdminClient({"bootstrap.servers": where["kafka"]}).list_topics(timeout=10).brokers) == 1
        with BlobServiceClient.from_connection_string(where["blob"]) as store:
            assert list(store.list_containers()) == []
        (broker,) = _children_that_run("java", process.pid)
        handle = os.pidfd_open(broker)
        os.kill(broker, signal.SIGKILL)
        with os.fdopen(handle) as file:
            assert select.select([file], [], [], 30)[0]
        admin = AdminClient({"bootstrap.servers": where["kafka"], "log_level": 0})
        assert len(admin.list_topics(timeout=60).brokers) == 1
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest, errors) == (0, "", "")
        assert not answers(where["kafka"])
        assert not answers(where["blob"].partition("BlobEndpoint=http://")[2].partition("/")[0])


def _children_that_run(program: str, parent: int) -> list[int]:
    children = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return [child for child in children if Path(f"/proc/{child}/comm").read_text().strip() == program]


@pytest.mark.faults
def test_up_ends_with_its_parent_if_told_so() -> None:
    shell = subprocess.Popen(
        ["sh", "-c", '"$@" & wait', "sh", *COMMAND, "--with-parent"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    assert shell.stdout is not None
    where = json.loads(shell.stdout.readline())
    shell.kill()
    shell.wait(10)
    with shell.stdout as output:
        assert select.select([output], [], [], 60)[0], "still there after 60 s"
        assert output.read() == ""
    assert not answers(where["kafka"])


def test_up_with_no_broker_is_a_usage_error() -> None:
    done = subprocess.run([*COMMAND, "--brokers", "0"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "--brokers 0: at least 1." in done.stderr
