"""Devices that fetch their commands over HTTPS."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ingest.emulator import Emulator
from tests.emulator.c2d_clock import NOW, FakeClock, message
from tests.emulator.http_client import Answer, request

Call = Callable[..., Answer]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def emulator(clock: FakeClock) -> Iterator[Emulator]:
    with Emulator(partitions=1, clock=clock, known_devices={"d", "a#1"}) as running:
        yield running


@pytest.fixture
def call(emulator: Emulator) -> Call:
    """`call(method, tail, device, headers)` as a device with a good token, unless the headers have another."""

    def made(
        method: str, tail: str = "", device: str = "d", headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Answer:
        path = f"/devices/{quote(device, safe='')}/messages/devicebound{tail}?api-version=2021-04-12{query}"
        own = {"Authorization": emulator.device_sas(device)} | dict(headers or {})
        endpoints = emulator.endpoints
        return request(urlsplit(endpoints.https).port or 0, method, path, None, own, Path(endpoints.ca_file))

    return made


def put(emulator: Emulator, device_id: str = "d", body: bytes = b"x", **system: Any) -> None:
    sent = message(device_id, body, **system)
    sent.application_properties = {**(sent.application_properties or {}), "level": "hot", "count": 3}
    assert emulator.submit(_send(emulator, sent)).result(10) is None


async def _send(emulator: Emulator, sent: Any) -> object:
    return emulator.c2d.hub.send(sent)


def error_code(answer: Answer) -> str:
    return answer.headers["iothub-errorcode"]


def test_nothing_waits(call: Call) -> None:
    answer = call("GET")
    assert (answer.status, answer.body) == (204, b"")


def test_a_command_with_all_its_headers(emulator: Emulator, call: Call) -> None:
    put(
        emulator,
        "a#1",
        b"\x00\xff",
        ack="full",
        message_id="m",
        correlation_id="c",
        content_type="application/json",
        content_encoding="utf-8",
        user_id=b"me",
        absolute_expiry_time=int(NOW + 60) * 1000,
    )
    answer = call("GET", device="a#1")
    assert (answer.status, answer.body) == (200, b"\x00\xff")
    expected = {
        "iothub-messageid": "m",
        "iothub-correlationid": "c",
        "iothub-userid": "me",
        "iothub-to": "/devices/a#1/messages/devicebound",
        "iothub-ack": "full",
        "iothub-sequencenumber": "1",
        "iothub-deliverycount": "0",
        "iothub-enqueuedtime": "2023-11-14T22:13:20.000+00:00",
        "iothub-expiry": "2023-11-14T22:14:20.000+00:00",
        "iothub-contenttype": "application/json",
        "iothub-contentencoding": "utf-8",
        "iothub-app-level": "hot",
        "iothub-app-count": "3",
    }
    assert {name: value for name, value in answer.headers.items() if name.startswith("iothub-")} == expected


def test_properties_whose_names_no_header_can_have(emulator: Emulator, call: Call) -> None:
    sent = message("d", b"x")
    sent.application_properties = {"a b:c": "x/y", "größe": "z", "": "no name", "plain": "two words"}
    assert emulator.submit(_send(emulator, sent)).result(10) is None
    answer = call("GET")  # with all names in small letters
    own = {name: value for name, value in answer.headers.items() if name.startswith("iothub-app-")}
    assert own == {
        "iothub-app-a%20b%3ac": "x/y",
        "iothub-app-gr%c3%b6%c3%9fe": "z",
        "iothub-app-": "no name",
        "iothub-app-plain": "two words",
    }


def test_complete_reject_abandon(emulator: Emulator, call: Call) -> None:
    for index in range(2):
        put(emulator, message_id=f"m{index}")
    etag = call("GET").headers["etag"]
    assert etag.strip('"') != etag
    assert call("POST", f"/{quote(etag)}/abandon").status == 204
    again = call("GET")
    assert (again.headers["iothub-messageid"], again.headers["iothub-deliverycount"]) == ("m0", "1")
    assert call("DELETE", "/" + again.headers["etag"].strip('"')).status == 204
    last = call("GET")
    assert last.headers["iothub-messageid"] == "m1"
    assert call("DELETE", "/" + last.headers["etag"].strip('"'), query="&reject").status == 204
    assert call("GET").status == 204
    assert emulator.stats().c2d.ended == {"Success": 1, "Rejected": 1}


def test_a_lock_that_ran_out(emulator: Emulator, call: Call, clock: FakeClock) -> None:
    put(emulator)
    lock_token = call("GET", headers={"iothub-messagelocktimeout": "5"}).headers["etag"].strip('"')
    clock.now += 5
    for method, tail in (("DELETE", ""), ("POST", "/abandon")):
        answer = call(method, f"/{lock_token}{tail}")
        assert (answer.status, error_code(answer)) == (412, "DeviceMessageLockLost")
    assert call("GET").status == 200


@pytest.mark.parametrize("value", ["4", "301", "soon", "٣٣"])
def test_lock_times_that_are_not_allowed(call: Call, value: str) -> None:
    answer = call("GET", headers={"iothub-messagelocktimeout": value.encode().decode("latin-1")})
    assert (answer.status, error_code(answer)) == (400, "ArgumentInvalid")


def test_strangers_get_nothing(emulator: Emulator, call: Call) -> None:
    put(emulator)
    answer = call("GET", headers={"Authorization": emulator.device_sas("a#1")})
    assert (answer.status, error_code(answer)) == (401, "IotHubUnauthorizedAccess")
    assert emulator.stats().c2d.delivered == 0


def test_properties_that_no_header_can_hold(emulator: Emulator, call: Call) -> None:
    put(emulator, message_id="two\r\nlines")
    assert call("GET").headers["iothub-messageid"] == "two  lines"
