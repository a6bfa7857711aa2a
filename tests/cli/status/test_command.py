"""`ingest status` against a metrics port of its own: once, as it follows, and when nothing is there."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingest.cli.main import main
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from ingest.metrics import catalogue as m
from ingest.metrics.http import Exposition
from ingest.metrics.meter import zeros
from ingest.metrics.registry import Registry
from ingest.timing import Deadline
from tests.services import ROOT
from tests.services.http_server import Handler, HttpServer

PATIENCE = 60.0
RED = "\x1b[31m"


class Service:
    """A metrics port as the supervisor has it, with one partition and one sink process."""

    def __init__(self) -> None:
        self.registry = Registry()
        for role in ("source", "sink"):
            self.registry.apply(zeros(role, "0"))
            self.registry.set(m.PROCESS_UP, 1, role, "0")
        self.unready: list[str] = []
        self.exposition = Exposition(
            self.registry, healthy=lambda: True, unready=lambda: self.unready, host="127.0.0.1", port=0
        )
        self.exposition.start()
        self.port = self.exposition.port
        self.url = f"http://127.0.0.1:{self.port}"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.exposition.close()


def once(url: str, *more: str) -> int:
    return main(["status", "--url", url, "--once", "--interval", "0.01", *more])


def test_once_is_one_table_in_plain_text(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.registry.set(m.SOURCE_LAG_EVENTS, 1234, "0")
    service.unready = ["source 0: Kafka is away"]
    assert once(service.url) == EXIT_OK
    shown = capsys.readouterr().out
    assert "1,234" in shown
    assert "not ready   source 0: Kafka is away" in shown
    assert "\x1b" not in shown


def test_where_nobody_looks_on_it_is_once_and_plain(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", service.url, "--interval", "0.01"]) == EXIT_OK
    assert capsys.readouterr().out.count("limited by") == 1


def test_once_as_json_is_one_object(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.registry.set(m.SOURCE_LAG_EVENTS, 1234, "0")
    assert once(f"{service.url}/metrics", "--json") == EXIT_OK
    (line,) = capsys.readouterr().out.splitlines()
    shown: dict[str, Any] = json.loads(line)
    assert shown["partitions"][0]["lag_events"] == 1234
    assert shown["workers"][0]["worker"] == "0"
    assert shown["unready"] == []


def test_a_port_without_anybody_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert once(f"http://127.0.0.1:{port}") == EXIT_UNAVAILABLE
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"ingest: no answer from http://127.0.0.1:{port} (Connection refused): start ingest, or name its [metrics] host "
        "and port with --url"
    )


@contextmanager
def other_server(answer: bytes) -> Iterator[str]:
    class Other(Handler):
        def serve(self) -> None:
            self.wfile.write(answer)

    with HttpServer(Other) as server:
        yield server.url


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>", "not with ingest's metrics"),
        (b"HTTP/1.0 200 OK\r\n\r\n# TYPE up gauge\nup 1\n", "not with ingest's metrics"),
        (b"HTTP/1.0 404 Not Found\r\n\r\nno", "not with ingest's metrics"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no answer from"),
    ],
)
def test_another_server_is_told_from_ingest(answer: bytes, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with other_server(answer) as url:
        assert once(url) == EXIT_UNAVAILABLE
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_an_address_that_is_none_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--url", "localhost:9464"])
    assert ended.value.code == EXIT_USAGE
    assert "http://127.0.0.1:9464" in capsys.readouterr().err


def test_a_proxy_of_the_environment_is_not_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert once(service.url) == EXIT_OK


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminal:
    """The command with a terminal of 160 columns; what it has drawn so far."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        ours, theirs = pty.openpty()
        self._fd = ours
        known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CI")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest", "status", "--interval", "0.05", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**known, "TERM": "xterm", "COLUMNS": "160", "LINES": "50", **environment},
            start_new_session=True,
            # Tests that run in the background of a shell are born with Ctrl-C ignored, and so are their children.
            preexec_fn=_heed_ctrl_c,
        )
        os.close(theirs)
        self.drawn = ""

    def until(self, reached: Callable[[str], object]) -> None:
        """Reads on until what was drawn since the last call is so."""
        deadline = Deadline(PATIENCE)
        seen = ""
        while not reached(seen):
            assert not deadline.expired, seen
            if select.select([self._fd], [], [], 0.2)[0]:
                seen += os.read(self._fd, 65536).decode(errors="replace")
        self.drawn += seen

    def stop(self) -> int:
        self._process.send_signal(signal.SIGINT)
        deadline = Deadline(PATIENCE)
        # A terminal that nobody reads would hold it up.
        while self._process.poll() is None and not deadline.expired:
            if select.select([self._fd], [], [], 0.05)[0]:
                try:
                    self.drawn += os.read(self._fd, 65536).decode(errors="replace")
                except OSError:
                    break
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._fd)


@contextmanager
def terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    opened = Terminal(*arguments, **environment)
    try:
        yield opened
    finally:
        opened.close()


def test_on_a_terminal_the_table_follows_and_outlives_a_restart(service: Service) -> None:
    service.registry.set(m.SOURCE_LAG_EVENTS, 1111, "0")
    with terminal("--url", service.url) as shown:
        shown.until(lambda text: "1,111" in text)
        service.registry.set(m.SOURCE_LAG_EVENTS, 2222, "0")
        shown.until(lambda text: "2,222" in text)
        service.exposition.close()
        shown.until(lambda text: "no answer from" in text)
        assert "2,222" in shown.drawn, "what was known last stays in view"
        again = Exposition(
            service.registry,
            healthy=lambda: True,
            unready=list,
            host="127.0.0.1",
            port=service.port,
        )
        again.start()
        try:
            service.registry.set(m.SOURCE_LAG_EVENTS, 3333, "0")
            shown.until(lambda text: "3,333" in text and "no answer from" not in text.rpartition("3,333")[2])
            assert shown.stop() == EXIT_OK
        finally:
            again.close()
        assert "Traceback" not in shown.drawn


@pytest.mark.parametrize("no_color", [False, True])
def test_what_is_down_is_red_unless_colours_are_off(service: Service, no_color: bool) -> None:
    service.registry.set(m.PROCESS_UP, 0, "source", "0")
    environment = {"NO_COLOR": "1"} if no_color else {}
    with terminal("--url", service.url, **environment) as shown:
        shown.until(lambda text: re.search(r"down.*limited by", text, re.DOTALL))
        assert shown.stop() == EXIT_OK
        assert (RED in shown.drawn) is not no_color


def test_json_follows_line_by_line_until_the_service_ends(service: Service) -> None:
    command = [sys.executable, "-m", "ingest", "status", "--json", "--interval", "0.05", "--url", service.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for expected in (5, 6):
            service.registry.set(m.SINK_IN_FLIGHT, expected, "0")
            found = (json.loads(line)["workers"][0]["in_flight"] for line in process.stdout)
            assert expected in found
        service.exposition.close()
        assert "no answer from" in process.stderr.read()
        assert process.wait(PATIENCE) == EXIT_UNAVAILABLE
