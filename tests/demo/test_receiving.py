"""Simulated devices as receivers, at a hub without a network."""

from ingest.demo.receiving import Receiving
from ingest.emulator.conditions import End
from tests.emulator.c2d.test_hub import make
from tests.emulator.c2d_clock import message


def test_devices_complete_what_comes_in_order_and_tell_of_it_once() -> None:
    hub, _ = make()
    receiving = Receiving(hub)
    for device, counter in (("a", 1), ("b", 1), ("a", 2), ("a", 2)):
        body = b'{"command":"measure","counter":%d}' % counter
        assert hub.send(message(device, body, message_id=f"{device}:{counter}")) is None
    assert hub.send(message("a", b"who is this?", message_id="a:3")) is None
    assert receiving.received() == [("a", 1), ("b", 1), ("a", 2), ("a", 2), ("a", 0)]
    assert receiving.received() == []
    assert hub.stats().ended == {End.COMPLETED.value: 5}
    assert hub.stats().queued == 0
