import pytest

from ingest.cluster.node import Node, client_id, member_name, node_of, of_nodes


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "edge-1"), ("", "edge-1"), ("::1", "[::1]"), ("10.0.0.7", "10.0.0.7")],
)
def test_a_node_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch, host: str, shown: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "edge-1")
    assert node_of(client_id(host, 9464)) == Node("edge-1", f"{shown}:9464")
    assert node_of(f"{client_id(host, 9464)}/sink-1") == Node("edge-1", f"{shown}:9464")


def test_odd_machines_have_plain_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: 'a/b "c"' + "x" * 100)
    name = client_id("127.0.0.1", 1)
    assert node_of(name) is not None
    assert '"' not in name
    assert len(name) < 150


@pytest.mark.parametrize("name", ["", "rdkafka", "ingest", "ingest/a", "a/b/c", "ingest-sink-0"])
def test_others_are_no_nodes(name: str) -> None:
    assert node_of(name) is None


def test_members_of_one_node_are_one() -> None:
    one, two = client_id("10.0.0.7", 1), client_id("10.0.0.8", 1)
    owner = f"{two}/5a0b6f0e-0000-4000-8000-000000000000"
    shares = {member_name(name, number): [f"{number}"] for name in (one, owner) for number in range(3)}
    others = {"py/7": ["9"], f"{one}/sink-1": ["8"]}
    assert of_nodes(shares | others) == {one: ["0", "1", "2"], owner: ["0", "1", "2"]} | others
    assert {node_of(name) for name in shares} == {node_of(one), node_of(two)}
