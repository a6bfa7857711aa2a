"""What the stock clients of services make of the emulator: azure-iot-hub, and uamqp below it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.emulator import Emulator
from tests.emulator.c2d_client import SECONDS, command, feedback_receiver, manager_of, sender

pytestmark = pytest.mark.uamqp


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True, known_devices={f"d{number}" for number in range(10)}) as running:
        yield running


@pytest.fixture
def manager(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("SSL_CERT_FILE", emulator.endpoints.ca_file)
    made = manager_of(emulator)
    yield made
    made.amqp_svc_client.disconnect_sync()


def test_send_c2d_message(emulator: Emulator, manager: Any) -> None:
    expiry = int(time.time() + 600) * 1000
    properties = {
        "messageId": "m1",
        "correlationId": "c1",
        "contentType": "text/plain",
        "contentEncoding": "utf-8",
        "expiryTimeUtc": expiry,
        "iothub-ack": "full",
        "level": "hot",
    }
    manager.send_c2d_message("d1", "Turn On", properties)
    manager.send_c2d_message("d1", "Turn Off")
    first, second = emulator.c2d.receive("d1"), emulator.c2d.receive("d1")
    assert first is not None
    assert second is not None
    got = first.command
    assert (got.body, got.message_id, got.correlation_id, got.ack) == (b"Turn On", "m1", "c1", "full")
    assert (got.content_type, got.content_encoding, got.expiry_ms) == ("text/plain", "utf-8", expiry)
    assert got.properties == {"level": "hot"}
    assert second.body == b"Turn Off"


def test_a_command_that_is_refused(emulator: Emulator, manager: Any) -> None:
    manager.send_c2d_message("d1", "x")
    with pytest.raises(Exception, match="C2D message send failure"):
        manager.send_c2d_message("stranger", "x")
    manager.send_c2d_message("d1", "x")
    stats = emulator.stats().c2d
    assert (stats.accepted, stats.rejected) == (2, {"amqp:not-found": 1})


def test_pipelined_sends_get_an_outcome_each(emulator: Emulator) -> None:
    from uamqp.constants import MessageSendResult

    emulator.c2d.auto_complete()
    emulator.faults.sends.reject_send("com.microsoft:device-container-throttled", "slow down", after=400)
    emulator.faults.sends.release_send(after=300)
    emulator.faults.delay(0.02)
    results: dict[str, str | None] = {}
    with sender(emulator) as client:
        for index in range(600):
            message = command("stranger" if index == 200 else f"d{index % 10}", b"%d" % index, str(index))

            def done(result: object, answer: object, message_id: str = str(index)) -> None:
                results[message_id] = (
                    None if result is MessageSendResult.Ok else str(getattr(answer, "condition", answer))
                )

            message.on_send_complete = done
            client.queue_message(message)
        client.send_all_messages(close_on_done=False)
    assert list(results) == [str(index) for index in range(600)]
    failed = {message_id: error for message_id, error in results.items() if error is not None}
    assert list(failed) == ["200", "300", "400"]
    assert failed["200"] == "ErrorCodes.NotFound"
    assert failed["400"] == "b'com.microsoft:device-container-throttled'"
    bodies = [delivery.body for delivery in emulator.c2d.consumed()]
    assert bodies == [b"%d" % index for index in range(600) if str(index) not in failed]


def test_feedback(emulator: Emulator) -> None:
    with sender(emulator) as client:
        for index in range(70):
            client.queue_message(command(f"d{index % 10}", b"x", f"m{index}", ack="full"))
        client.send_all_messages(close_on_done=False)
    delivery = emulator.c2d.receive("d0")
    assert delivery is not None
    emulator.c2d.reject(delivery)
    emulator.c2d.auto_complete()
    emulator.c2d.flush_feedback()
    with feedback_receiver(emulator) as client:
        found: dict[str, tuple[str, str]] = {}
        deadline = time.monotonic() + SECONDS
        while len(found) < 70:
            assert time.monotonic() < deadline
            for batch in client.receive_message_batch(timeout=1000):
                assert batch.properties.content_type == b"application/vnd.microsoft.iothub.feedback.json"
                for record in json.loads(b"".join(batch.get_data())):
                    found[record["originalMessageId"]] = (record["deviceId"], record["statusCode"])
                batch.accept()
        while emulator.stats().c2d.feedback_batches_completed < 2:
            assert time.monotonic() < deadline
            client.do_work()
    assert found["m0"] == ("d0", "Rejected")
    assert {status for message_id, (_, status) in found.items() if message_id != "m0"} == {"Success"}


def test_emulators_side_by_side(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub at another address than 127.0.0.1 is named by that address, which its certificate holds."""
    with Emulator(partitions=1, c2d=True) as other:
        own = [each.endpoints.iot_hub_connection_string.partition(";")[0] for each in (emulator, other)]
        assert own[0] != own[1]
        assert own[1].startswith("HostName=127.0.0.")
        monkeypatch.setenv("SSL_CERT_FILE", other.endpoints.ca_file)
        manager = manager_of(other)
        manager.send_c2d_message("anybody", "x")
        manager.amqp_svc_client.disconnect_sync()
        assert (emulator.stats().c2d.accepted, other.stats().c2d.accepted) == (0, 1)
