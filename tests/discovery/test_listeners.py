import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.discovery.listeners import for_clients, listeners


@pytest.mark.parametrize(
    ("properties", "protocol", "port"),
    [
        ({"listeners": "PLAINTEXT://localhost:9092", "port": "6667"}, "PLAINTEXT", 9092),
        ({"listeners": "SSL://localhost:9093, PLAINTEXT://localhost:9092"}, "PLAINTEXT", 9092),
        ({"listeners": "SASL_SSL://0.0.0.0:9094,SSL://:9093"}, "SSL", 9093),
        ({"listeners": "PLAINTEXTSASL://localhost:6667"}, "SASL_PLAINTEXT", 6667),
        ({"listeners": "plaintext://[::]:9092"}, "PLAINTEXT", 9092),
        ({"port": "6667"}, "PLAINTEXT", 6667),
        ({"listeners": "", "port": 6667}, "PLAINTEXT", 6667),
        (
            {
                "listeners": "INSIDE://:9092,OUTSIDE://:9094",
                "listener.security.protocol.map": "INSIDE:PLAINTEXT, outside:SASL_SSL",
                "inter.broker.listener.name": "INSIDE",
            },
            "SASL_SSL",
            9094,
        ),
    ],
)
def test_the_listener_that_asks_least_of_a_client(properties: dict[str, object], protocol: str, port: int) -> None:
    between = str(properties.get("inter.broker.listener.name", ""))
    found = for_clients(listeners(properties), None, between)
    assert found is not None
    assert (found.protocol, found.port) == (protocol, port)


def test_the_protocol_can_be_chosen() -> None:
    found = listeners({"listeners": "PLAINTEXT://localhost:9092,SSL://localhost:9093"})
    chosen = for_clients(found, "SSL")
    assert chosen is not None
    assert chosen.port == 9093
    assert for_clients(found, "SASL_SSL") is None


@pytest.mark.parametrize(
    "properties",
    [{}, {"listeners": "9092"}, {"listeners": "PLAINTEXT://x:0,SSL://y:70000"}, {"port": "x"}, {"listeners": []}],
)
def test_no_listener(properties: dict[str, object]) -> None:
    assert for_clients(listeners(properties), None) is None


@given(
    st.dictionaries(st.sampled_from(["listeners", "port", "listener.security.protocol.map"]), st.text() | st.integers())
)
def test_anything_is_a_list_of_ports(properties: dict[str, object]) -> None:
    assert all(1 <= each.port <= 65535 for each in listeners(properties))
