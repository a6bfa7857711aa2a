import asyncio
import gzip
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from azure.eventhub import EventHubConsumerClient

from ingest.emulator import Emulator
from ingest.emulator.certificate import Certificate, make_certificate
from ingest.emulator.device_registry import Devices, UnknownDevice
from ingest.emulator.devices.https import DeviceHttps
from ingest.hub.limits import EVENT_BYTES
from tests.emulator.http_client import DEADLINE_SECONDS, Answer, request
from tests.emulator.received import receive

NOW = 1_700_000_000.0


class Interface:
    """A device interface on a loop of its own; what devices send ends in `events`."""

    def __init__(self, certificate: Certificate) -> None:
        self.devices = Devices(b"secret", "localhost", lambda: NOW, {"dev1", "a#1", "x%y", "a+b;c"})
        self.events: list[dict[str, object]] = []
        self._ca_file = certificate.ca_file
        self._server = DeviceHttps(self.devices, self._publish, certificate.server_context(), lambda: NOW)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._server.start("127.0.0.1"), self._loop).result(10)

    def _publish(self, device_id: str, body: bytes, **fields: object) -> None:
        self.events.append({"device_id": device_id, "body": body, **fields})

    def post(
        self,
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        device: str = "dev1",
        token: str | None = None,
        query: str = "?api-version=2021-04-12",
    ) -> Answer:
        authorization = {"Authorization": token if token is not None else self.devices.token(device)}
        path = f"/devices/{quote(device, safe='')}/messages/events{query}"
        return request(self.port, "POST", path, body, authorization | dict(headers or {}), self._ca_file)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(DEADLINE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def interface(certificate: Certificate) -> Iterator[Interface]:
    made = Interface(certificate)
    yield made
    made.close()


def check_refusal(answer: Answer, status: int, code: str, *words: str) -> None:
    assert answer.status == status
    assert answer.headers["iothub-errorcode"] == code
    assert set(answer.json) == {"Message", "ExceptionMessage"}
    assert answer.json["Message"].startswith(f"ErrorCode:{code};")
    assert answer.json["ExceptionMessage"].startswith("Tracking ID:")
    assert answer.json["ExceptionMessage"].endswith("-TimeStamp:11/14/2023 22:13:20")
    for word in words:
        assert word in answer.json["Message"]


def test_a_message_with_everything_arrives(interface: Interface) -> None:
    headers = {
        "IoTHub-App-Level": "hot",
        # http.client takes headers as Latin-1; on the wire this is UTF-8.
        "iothub-app-Floor": "zwölf".encode().decode("latin-1"),
        "IoTHub-MessageId": "m-1",
        "iothub-correlationid": "c-1",
        "iothub-contenttype": "application/json",
        "iothub-contentencoding": "utf-8",
        "Content-Type": "application/octet-stream",
    }
    answer = interface.post(b'{"t":1}', headers)
    assert (answer.status, answer.body) == (204, b"")
    assert interface.events == [
        {
            "device_id": "dev1",
            "body": b'{"t":1}',
            "properties": {"Level": "hot", "Floor": "zwölf"},
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "message_id": "m-1",
            "correlation_id": "c-1",
        }
    ]


def test_the_bare_minimum_arrives_and_curls_own_content_type_does_not(interface: Interface) -> None:
    assert interface.post(b"", {"Content-Type": "application/x-www-form-urlencoded"}).status == 204
    nothing = dict.fromkeys(("content_type", "content_encoding", "message_id", "correlation_id"))
    assert interface.events == [{"device_id": "dev1", "body": b"", "properties": {}} | nothing]


def test_a_batch_becomes_as_many_messages(interface: Interface) -> None:
    body = b'[{"body":"eyJ0IjoxfQ==","properties":{"iothub-app-level":"hot"}},{"body":"two","base64Encoded":false}]'
    header = {"Content-Type": "application/vnd.microsoft.iothub.json"}
    assert interface.post(body, header).status == 204
    nothing = dict.fromkeys(("content_type", "content_encoding", "message_id", "correlation_id"))
    assert interface.events == [
        {"device_id": "dev1", "body": b'{"t":1}', "properties": {"level": "hot"}} | nothing,
        {"device_id": "dev1", "body": b"two", "properties": {}} | nothing,
    ]
    refused = interface.post(b'[{"body":"eA=="},{"body":"no base64"}]', header)
    check_refusal(refused, 400, "ArgumentInvalid", "message 1 is not base64")
    check_refusal(interface.post(b"[" + bytes(EVENT_BYTES) + b"]", header), 413, "MessageTooLarge")
    assert len(interface.events) == 2


def test_a_compressed_body_is_left_as_it_is(interface: Interface) -> None:
    body = gzip.compress(b"hello")
    assert interface.post(body, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}).status == 204
    assert interface.events[0]["body"] == body
    assert interface.events[0]["content_encoding"] == "gzip"
    assert interface.events[0]["content_type"] == "text/plain"


@pytest.mark.parametrize("device", ["a#1", "x%y", "a+b;c"])
def test_device_ids_are_decoded_from_the_path(interface: Interface, device: str) -> None:
    assert interface.post(device=device).status == 204
    assert interface.events[0]["device_id"] == device


def test_messages_up_to_the_limit_arrive_and_larger_ones_do_not(interface: Interface) -> None:
    assert interface.post(bytes(EVENT_BYTES - 5), {"iothub-app-abc": "de"}).status == 204
    check_refusal(interface.post(bytes(EVENT_BYTES - 4), {"iothub-app-abc": "de"}), 413, "MessageTooLarge", "262145")
    check_refusal(interface.post(bytes(EVENT_BYTES + 1)), 413, "MessageTooLarge")
    assert len(interface.events) == 1


def test_wrong_tokens_are_refused(interface: Interface) -> None:
    refused = 401, "IotHubUnauthorizedAccess"
    check_refusal(interface.post(token=interface.devices.token("x%y")), *refused, "InvalidSignature")
    check_refusal(interface.post(token=interface.devices.token("dev1", -1)), *refused, "ExpiredToken", "1 s ago")
    check_refusal(interface.post(token="nonsense"), *refused, "MalformedToken")
    check_refusal(interface.post(token=""), *refused)
    assert interface.events == []


def test_a_missing_token_is_refused(interface: Interface, certificate: Certificate) -> None:
    path = "/devices/dev1/messages/events?api-version=2021-04-12"
    answer = request(interface.port, "POST", path, b"{}", ca_file=certificate.ca_file)
    check_refusal(answer, 401, "IotHubUnauthorizedAccess", "Authorization header")


def test_unknown_and_impossible_devices_are_not_found(interface: Interface) -> None:
    token = interface.devices.token("dev1")
    check_refusal(interface.post(device="dev2", token=token), 404, "DeviceNotFound", "'dev2' is not registered")
    check_refusal(interface.post(device="a b", token=token), 404, "DeviceNotFound", "'a b'")
    check_refusal(interface.post(device="x" * 129, token=token), 404, "DeviceNotFound", "129 characters")


def test_requests_that_the_hub_would_not_understand(interface: Interface) -> None:
    check_refusal(interface.post(query=""), 400, "InvalidProtocolVersion", "?api-version=")
    check_refusal(interface.post(headers={"iothub-app-a": "\xff"}), 400, "ArgumentInvalid", "UTF-8")
    assert interface.events == []


def test_closing_ends_a_connection_that_is_kept_open(certificate: Certificate) -> None:
    interface = Interface(certificate)
    context = ssl.create_default_context(cafile=str(certificate.ca_file))
    connection = http.client.HTTPSConnection("localhost", interface.port, timeout=DEADLINE_SECONDS, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().read()
    interface.close()
    connection.close()


def test_posted_messages_reach_a_stock_client_whole_and_in_order_per_device() -> None:
    with Emulator(partitions=2) as emulator:
        port = urlsplit(emulator.endpoints.https).port
        assert port
        for counter in range(1, 6):
            for device in ("dev1", "a#1"):
                headers = {
                    "Authorization": emulator.device_sas(device),
                    "iothub-app-level": "hot",
                    "iothub-messageid": f"m-{counter}",
                    "Content-Type": "application/json",
                }
                path = f"/devices/{quote(device, safe='')}/messages/events?api-version=2021-04-12"
                body = b'{"counter":%d}' % counter
                assert request(port, "POST", path, body, headers, Path(emulator.endpoints.ca_file)).status == 204
        client = EventHubConsumerClient.from_connection_string(
            emulator.endpoints.event_hub_connection_string, consumer_group="$Default"
        )
        events = receive(client, 10)
    for name in (b"dev1", b"a#1"):
        own = [event for event in events if event.system_properties[b"iothub-connection-device-id"] == name]
        assert [event.body_as_json() for event in own] == [{"counter": counter} for counter in range(1, 6)]
        assert [event.message_id for event in own] == [f"m-{counter}" for counter in range(1, 6)]
        assert all(event.properties == {b"level": b"hot"} for event in own)
        assert all(event.content_type == "application/json" for event in own)


def test_a_closed_registry_of_the_emulator_lets_no_stranger_in() -> None:
    with Emulator(partitions=1, known_devices=["dev1"]) as emulator:
        emulator.device_sas("dev1")
        with pytest.raises(UnknownDevice, match="'dev2'"):
            emulator.device_sas("dev2")
