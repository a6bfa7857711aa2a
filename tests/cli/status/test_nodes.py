"""`ingest status` of several nodes: named one by one, or by the cluster."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from ingest.cli.main import main
from ingest.cli.status import looking
from ingest.cli.status.looking import Everyone, Looking, look_at
from ingest.cli.status.table import nodes_as_lines
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE
from ingest.metrics import catalogue as m
from ingest.metrics.http import Exposition
from ingest.metrics.meter import zeros
from ingest.metrics.registry import Registry
from ingest.metrics.status.document import About
from ingest.metrics.status.rows import status
from tests.metrics.status.loaded_node import sample
from tests.metrics.status.test_rows import look


def node_registry(*partitions: str, lag: float = 0) -> Registry:
    registry = Registry()
    for partition in partitions:
        registry.apply(zeros("source", partition))
        registry.set(m.PROCESS_UP, 1, "source", partition)
        registry.set(m.SOURCE_LAG_EVENTS, lag, partition)
    return registry


class Cluster:
    """Two nodes' metrics ports; each tells of both."""

    def __init__(self, stack: ExitStack) -> None:
        self.urls: list[str] = []
        self.machines: list[str] = []
        self.ports: list[Exposition] = []
        self._stack = stack
        for registry in (node_registry("10", "1", lag=7), node_registry("2")):
            self.add(registry)

    def add(self, registry: Registry) -> None:
        port = Exposition(registry, healthy=lambda: True, unready=list, about=self.about, host="127.0.0.1", port=0)
        port.start()
        self._stack.callback(port.close)
        self.ports.append(port)
        self.urls.append(f"http://127.0.0.1:{port.port}")
        self.machines.append("edge1")
        for each in self.ports:
            sample(each)

    def about(self) -> About:
        return About(
            cluster={"nodes": [{"node": node, "url": url} for node, url in zip(self.machines, self.urls, strict=True)]}
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack)


def once(*arguments: str) -> int:
    return main(["status", "--once", "--interval", "0.01", *arguments])


def named(urls: list[str]) -> list[str]:
    return [part for url in urls for part in ("--url", url)]


@pytest.mark.parametrize("everyone", [False, True])
def test_the_partitions_of_all_nodes_are_one_table(
    cluster: Cluster, everyone: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert once(*(["--all", "--url", cluster.urls[0]] if everyone else named(cluster.urls))) == EXIT_OK
    head, *rows = capsys.readouterr().out.splitlines()
    first, second = (url.removeprefix("http://") for url in cluster.urls)
    assert head.split()[:3] == ["node", "partition", "state"]
    assert [row.split()[:3] for row in rows[:3]] == [[first, "1", "up"], [second, "2", "up"], [first, "10", "up"]]


def test_a_node_that_is_silent_hides_no_other_and_is_told_by_the_exit_code(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert once("--json", *named([*cluster.urls, f"http://127.0.0.1:{port}"])) == EXIT_UNAVAILABLE
    nodes: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["nodes"]
    assert [[row["partition"] for row in node["partitions"]] for node in nodes[:2]] == [["1", "10"], ["2"]]
    assert nodes[2]["node"] == f"127.0.0.1:{port}"
    assert "Connection refused" in nodes[2]["error"]


def test_only_silent_nodes_are_no_status(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert once(*named([f"http://127.0.0.1:{port}", f"http://localhost:{port}"])) == EXIT_UNAVAILABLE
    assert capsys.readouterr().err.count("no answer from") == 2


def test_a_node_without_a_cluster_cannot_name_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    port = Exposition(Registry(), healthy=lambda: True, unready=list, host="127.0.0.1", port=0)
    port.start()
    try:
        assert once("--all", "--url", f"http://127.0.0.1:{port.port}") == EXIT_UNAVAILABLE
    finally:
        port.close()
    assert "names no other nodes: name each one with --url" in capsys.readouterr().err


def test_nodes_that_come_are_found_and_any_that_was_named_can_name_them(cluster: Cluster) -> None:
    everyone = Everyone([Looking(cluster.urls[0])])
    assert [node.name for node in everyone()] == [url.removeprefix("http://") for url in cluster.urls]
    cluster.add(node_registry("3"))
    cluster.ports[0].close()
    found = look_at(everyone())
    assert [isinstance(each, str) for each in found.values()] == [True, False, False]
    for port in cluster.ports:
        port.close()
    assert len(everyone()) == 3, "those known last"


def test_a_node_that_only_its_own_machine_reaches_is_named(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.machines = ["edge1", "edge2"]
    sample(cluster.ports[0])
    assert once("--all", "--url", cluster.urls[0]) == EXIT_UNAVAILABLE
    assert "edge1 serves its metrics at http://127.0.0.1" in capsys.readouterr().err


def test_a_partition_that_two_nodes_read_is_said() -> None:
    both = {name: status(look(node_registry("3")), look(node_registry("3"))) for name in ("a:1", "b:1")}
    assert any("partition 3 is read by a:1 and b:1" in line for line in nodes_as_lines(both))
    assert not any("is read by" in line for line in nodes_as_lines({"a:1": both["a:1"], "b:1": "no answer"}))


class Liar:
    """A port that is no node: it says `answer` to everything, and then a byte now and again until it is closed."""

    def __init__(self, answer: bytes, *, ends: bool = True) -> None:
        self._answer = answer
        self._ends = ends
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._tell, args=(connected,)))
            self._threads[-1].start()

    def _tell(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            connected.recv(4096)
            connected.sendall(self._answer)
            while not self._ends and not self._closing.wait(0.05):
                connected.sendall(b"a")


def told(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b""]
)
def test_a_node_whose_answer_never_ends_holds_up_no_other(
    answer: bytes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "HTTP_SECONDS", 0.5)
    with closing(Liar(answer, ends=False)) as liar:
        found = look_at([Looking(liar.url), *map(Looking, cluster.urls)])
    silent, *others = found.values()
    assert isinstance(silent, str)
    assert "timed out" in silent
    assert not any(isinstance(each, str) for each in others)


@pytest.mark.parametrize(
    "nodes",
    [
        b"[" * 100_000,
        b'{"cluster":{"nodes":[{"node":"a","url":"http://["}]}}',
        b'{"cluster":{"nodes":[{"node":"a","url":"http://a:99999"}]}}',
        b'{"cluster":{"nodes":[{"node":"a","url":"http://\\u001b[31m:1"}]}}',
        b'{"cluster":{"nodes":[{"node":"a","url":"file:///etc/passwd"}]}}',
        b'{"cluster":{"nodes":[3]}}',
    ],
)
def test_what_names_no_node_that_can_be_asked_is_told(nodes: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Liar(told(nodes))) as liar:
        assert once("--all", "--url", liar.url) == EXIT_UNAVAILABLE
    assert "names no other nodes" in capsys.readouterr().err


def test_more_nodes_than_there_can_be_are_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [{"node": "a", "url": f"http://a:{port}"} for port in range(1, 2000)]
    with closing(Liar(told(json.dumps({"cluster": {"nodes": nodes}}).encode()))) as liar:
        assert once("--all", "--url", liar.url) == EXIT_UNAVAILABLE
    assert "names 1999 nodes, more than any cluster has" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://["])
def test_a_node_that_sends_elsewhere_is_silent(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Liar(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place.encode())) as liar:
        assert once("--url", liar.url) == EXIT_UNAVAILABLE
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("url", ["http://admin:hunter2@127.0.0.1:1", "http://[", "http://a:99999", "127.0.0.1:9464"])
def test_an_address_that_is_none_is_told_without_what_is_secret_in_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        once("--url", url)
    error = capsys.readouterr().err
    assert "such as http://127.0.0.1:9464" in error or "like http://127.0.0.1:9464" in error
    assert "hunter2" not in error
