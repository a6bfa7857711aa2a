import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.emulator.conditions import Condition
from ingest.emulator.control.endpoint import FAULTS, LARGEST_REQUEST, SEND_FAULTS, Control
from ingest.emulator.control.faults import Faults, LiveReceiver, Peer
from ingest.emulator.device_registry import Devices
from ingest.emulator.devices.simulation import Progress
from ingest.emulator.telemetry.hub import Hub
from tests.emulator.http_client import DEADLINE_SECONDS, Answer, request


class Receiver:
    """A live receiver that is its own connection and notes what befalls it."""

    def __init__(self, partition: str) -> None:
        self.partition = partition
        self.fate: list[object] = []

    @property
    def peer(self) -> Peer:
        return self

    def detach(self, condition: Condition) -> None:
        self.fate.append(("detach", *condition))

    def close(self, condition: Condition) -> None:
        self.fate.append(("close", *condition))

    def abort(self) -> None:
        self.fate.append("abort")

    def pump(self) -> None:
        pass


def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


class Bench:
    """A control endpoint on a loop of its own, with two attached receivers that are not real."""

    def __init__(self) -> None:
        self.hub = Hub(name="hub", partitions=2, consumer_groups=["$Default"], clock=lambda: 1_700_000_000.0)
        self.devices = Devices(b"secret", "localhost", lambda: 1_700_000_000.0, {"dev1", "a#1"})
        self.attached = [Receiver("0"), Receiver("1")]
        self.faults = Faults(self.hub, self, lambda function: function())
        self.control = Control(self.hub, self.devices, self.faults, lambda: {"seen": 1, 2: [None]}, {"double": double})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.control.start(), self._loop).result(DEADLINE_SECONDS)

    def receivers(self) -> list[LiveReceiver]:
        return list(self.attached)

    def peers(self) -> list[Peer]:
        return list(self.attached)

    def call(self, method: str, path: str, arguments: object = None) -> Answer:
        body = None if arguments is None else json.dumps(arguments).encode()
        return request(self.port, method, path, body)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.control.close(), self._loop).result(DEADLINE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def check_error(answer: Answer, *words: str) -> None:
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    for word in words:
        assert word in answer.json["error"]


def test_the_root_explains_every_call_and_every_fault(bench: Bench) -> None:
    calls = bench.call("GET", "/").json
    assert {f"POST /faults/{name}" for name in FAULTS} < set(calls)
    assert calls["POST /faults/delay"]["arguments"] == {"round_trip_seconds": "number"}
    assert calls["POST /faults/refuse_attach"]["arguments"]["count"] == "whole number, optional"
    assert calls["POST /send"]["arguments"]["device_id"] == "text"
    assert all(call["does"] for call in calls.values() if isinstance(call, dict))


def test_stats_and_simulation(bench: Bench) -> None:
    assert bench.call("GET", "/stats").json == {"seen": 1, "2": [None]}
    assert bench.call("GET", "/simulation").json == {"events_sent": 0, "per_device": {}, "done": True}
    bench.control.simulation = lambda: Progress(3, {"a": 1, "b": 2}, False)
    assert bench.call("GET", "/simulation").json == {"events_sent": 3, "per_device": {"a": 1, "b": 2}, "done": False}


def test_partitions_are_added(bench: Bench) -> None:
    assert bench.call("POST", "/partitions", {"count": 2}).json == {"partitions": ["0", "1", "2", "3"]}
    assert bench.hub.partitions == ("0", "1", "2", "3")
    check_error(bench.call("POST", "/partitions", {"count": 29}), "4 partitions and 29 more", "32 are the most")
    check_error(bench.call("POST", "/partitions", {"count": 0}), "0 more")


def test_it_never_listens_beyond_loopback(bench: Bench) -> None:
    other = Control(bench.hub, bench.devices, bench.faults, lambda: None, {})
    with pytest.raises(ValueError, match=r"on loopback only, not on 0\.0\.0\.0"):
        asyncio.run(other.start("0.0.0.0"))


def test_a_token_is_ready_for_a_device(bench: Bench) -> None:
    answer = bench.call("GET", "/devices/a%231/sas")
    assert answer.headers["content-type"].startswith("text/plain")
    bench.devices.authenticate("a#1", answer.body.decode())
    check_error(bench.call("GET", "/devices/stranger/sas"), "'stranger' is not registered")


def test_an_order_reaches_the_receivers(bench: Bench) -> None:
    answer = bench.call("POST", "/faults/detach", {"condition": "x:y", "text": "why", "partition": "1"})
    assert (answer.status, answer.json) == (200, {"struck": 1, "active": []})
    assert [receiver.fate for receiver in bench.attached] == [[], [("detach", "x:y", "why")]]
    assert bench.call("POST", "/faults/abort").json["struck"] == 2
    assert bench.attached[0].fate == ["abort"]


def test_faults_are_in_force_until_they_are_cleared(bench: Bench) -> None:
    bench.call("POST", "/faults/refuse_cbs", {"count": 2})
    bench.call("POST", "/faults/delay", {"round_trip_seconds": 1})
    expected = [
        {"name": "refuse_cbs", "partition": None, "left": 2},
        {"name": "delay", "round_trip_seconds": 1},
    ]
    assert bench.call("GET", "/faults").json == {"active": expected}
    assert bench.faults.refuses_token()
    assert bench.call("DELETE", "/faults").json == {"active": []}
    assert not bench.faults.refuses_token()


@pytest.mark.parametrize("name", [*FAULTS, *SEND_FAULTS])
def test_every_fault_can_be_ordered(bench: Bench, name: str) -> None:
    cut = {"after": 3}
    needed: dict[str, dict[str, Any]] = {"delay": {"round_trip_seconds": 0.1}, "cut": cut, "cut_service_link": cut}
    assert bench.call("POST", f"/faults/{name}", needed.get(name, {})).status == 200


def test_orders_of_another_kind_have_their_own_path(bench: Bench) -> None:
    assert bench.call("GET", "/").json["POST /c2d/double"] == {
        "does": "Twice as much.",
        "arguments": {"number": "whole number"},
    }
    assert bench.call("POST", "/c2d/double", {"number": 4}).json == {"answer": 8}
    check_error(bench.call("POST", "/c2d/halve"), "no order 'halve'", "double")


def test_wrong_orders_get_one_clear_sentence(bench: Bench) -> None:
    check_error(bench.call("POST", "/faults/explode"), "no fault 'explode'", "refuse_attach")
    check_error(bench.call("POST", "/faults/clear"), "no fault 'clear'")
    check_error(bench.call("POST", "/faults/delay"), "'round_trip_seconds' is missing")
    check_error(bench.call("POST", "/faults/delay", {"round_trip_seconds": 61}), "61", "0 to 60")
    check_error(bench.call("POST", "/faults/detach", {"partition": 0}), "'partition' is 0; give it as text")
    check_error(bench.call("POST", "/faults/detach", {"partition": "7"}), "no partition '7'")
    check_error(bench.call("POST", "/faults/detach", [1]), "JSON object")
    check_error(request(bench.port, "POST", "/faults/detach", b"{"), "not JSON")
    check_error(request(bench.port, "POST", "/faults/detach", bytes(LARGEST_REQUEST + 1)), "larger than")
    assert bench.faults.active() == []


def test_send_puts_an_event_in(bench: Bench) -> None:
    partition = bench.hub.partition_of("dev1")
    everything = {
        "device_id": "dev1",
        "body": "Grüße",
        "properties": {"level": "hot", "n": 1},
        "content_type": "text/plain",
        "message_id": "m",
        "enqueued_at_ms": 1_700_000_000_000,
    }
    first = bench.call("POST", "/send", everything)
    assert (first.status, first.json) == (200, {"partition": partition, "sequence_number": 0, "offset": "0"})
    binary = base64.b64encode(b"\x00\xff").decode()
    assert bench.call("POST", "/send", {"device_id": "dev1", "body_base64": binary}).json["sequence_number"] == 1
    _, (one, two) = bench.hub.read(partition, 0, 10)
    assert "Grüße".encode() in one
    assert b"text/plain" in one
    assert b"level" in one
    assert two.endswith(b"\x00\xff")


def test_wrong_events_are_refused(bench: Bench) -> None:
    check_error(bench.call("POST", "/send", {"body": "x"}), "'device_id' is missing")
    check_error(bench.call("POST", "/send", {"device_id": "dev1"}), "either 'body'")
    check_error(bench.call("POST", "/send", {"device_id": "dev1", "body": "", "body_base64": ""}), "either 'body'")
    check_error(bench.call("POST", "/send", {"device_id": "dev1", "body": {"t": 1}}), "'body' is", "text")
    check_error(bench.call("POST", "/send", {"device_id": "dev1", "body_base64": "?"}), "not base64")
    check_error(bench.call("POST", "/send", {"device_id": "stranger", "body": "x"}), "'stranger' is not registered")
    check_error(bench.call("POST", "/send", {"device_id": "a b", "body": "x"}), "'a b'")
    event = {"device_id": "dev1", "body": "x"}
    check_error(bench.call("POST", "/send", event | {"properties": {"a": [1]}}), "Property 'a' is [1]")
    check_error(bench.call("POST", "/send", event | {"enqueued_at_ms": 2**62}), "'enqueued_at_ms' is 46116", "9999")
    check_error(bench.call("POST", "/send", event | {"enqueued_at_ms": 0}), "'enqueued_at_ms' is 0")
    assert bench.hub.bounds("0")[1].sequence_number == bench.hub.bounds("1")[1].sequence_number == -1
