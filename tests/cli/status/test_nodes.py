"""`ingest status` of several nodes: named one by one, or by the cluster."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ingest.cli.main import main
from ingest.cli.status.table import nodes_as_lines
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE
from ingest.metrics import catalogue as m
from ingest.metrics.http import Exposition
from ingest.metrics.meter import zeros
from ingest.metrics.registry import Registry
from ingest.metrics.status.document import About
from ingest.metrics.status.rows import status
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
        self.machines = ["edge1", "edge1"]
        self.ports: list[Exposition] = []
        for registry in (node_registry("10", "1", lag=7), node_registry("2")):
            port = Exposition(registry, healthy=lambda: True, unready=list, about=self.about, host="127.0.0.1", port=0)
            port.start()
            stack.callback(port.close)
            self.ports.append(port)
            self.urls.append(f"http://127.0.0.1:{port.port}")
        for port in self.ports:
            port._recorder.sample()

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


def test_a_node_that_only_its_own_machine_reaches_is_named(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.machines = ["edge1", "edge2"]
    cluster.ports[0]._recorder.sample()
    assert once("--all", "--url", cluster.urls[0]) == EXIT_UNAVAILABLE
    assert "edge1 serves its metrics at http://127.0.0.1" in capsys.readouterr().err


def test_a_partition_that_two_nodes_read_is_said() -> None:
    both = {name: status(look(node_registry("3")), look(node_registry("3"))) for name in ("a:1", "b:1")}
    assert any("partition 3 is read by a:1 and b:1" in line for line in nodes_as_lines(both))
    assert not any("is read by" in line for line in nodes_as_lines({"a:1": both["a:1"], "b:1": "no answer"}))
