import pytest

from ingest.address import before_port


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1"), ("edge-1", "edge-1"), ("::1", "[::1]"), ("[fd00::1]", "[fd00::1]"), ("", "")],
)
def test_ipv6_has_brackets(host: str, written: str) -> None:
    assert before_port(host) == written
