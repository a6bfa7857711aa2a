"""What the operator writes, as the sink reads it and the device knows it again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.demo.order import counter_of, record_of
from ingest.sink.commands.command import Origin, parse


@given(st.integers(1, 100_000), st.integers(1, 10**9))
def test_the_device_knows_the_command_that_the_operator_gave(device: int, counter: int) -> None:
    device_id = f"device-{device:04d}"
    command = parse(record_of(device_id, counter), None, Origin("iotout", 0, 0), now_ms=0)
    assert command is not None
    assert command.device_id == device_id
    assert counter_of(device_id, command.message_id, command.body) == counter


@pytest.mark.parametrize(
    ("message_id", "body"),
    [
        ("b:7", b'{"counter":7}'),
        ("a:8", b'{"counter":7}'),
        (None, b'{"counter":7}'),
        ("a:7", b'{"counter":"7"}'),
        ("a:0", b'{"counter":0}'),
        ("a:7", b'{"x":7}'),
        ("a:7", b"[7]"),
        ("a:7", b"7"),
        ("a:7", b""),
        ("a:7", b"\xff"),
    ],
)
def test_what_no_operator_of_the_demo_gave(message_id: str | None, body: bytes) -> None:
    assert counter_of("a", message_id, body) == 0
