import json

import pytest

from ingest.emulator.devices.twins import Twins

PATCH = "$iothub/twin/PATCH/properties/reported/?$rid="


def reported(twins: Twins, device: str = "dev1") -> dict[str, object]:
    answer = twins.answer(device, "$iothub/twin/GET/?$rid=x", b"")
    assert answer is not None
    assert answer.topic == "$iothub/twin/res/200/?$rid=x"
    twin = json.loads(answer.body)
    assert twin["desired"] == {"$version": 1}
    found: dict[str, object] = twin["reported"]
    return found


def test_a_new_twin_is_empty() -> None:
    assert reported(Twins()) == {"$version": 1}


def test_what_is_reported_is_merged_and_counted_for_each_device() -> None:
    twins = Twins()
    for number, patch in enumerate(({"a": 1, "b": {"c": 1, "d": 2}}, {"a": None, "b": {"c": None, "e": []}}), 2):
        answer = twins.answer("dev1", f"{PATCH}{number}", json.dumps(patch).encode())
        assert answer == (f"$iothub/twin/res/204/?$rid={number}&$version={number}", b"")
    assert reported(twins) == {"b": {"d": 2, "e": []}, "$version": 3}
    assert reported(twins, "dev2") == {"$version": 1}


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"$version": 7}',
        b'{"a": NaN}',
        b'{"a": "' + b"x" * 32_768 + b'"}',
        b'{"a":' * 11 + b"1" + b"}" * 11,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_patch_changes_nothing(patch: bytes) -> None:
    twins = Twins()
    answer = twins.answer("dev1", PATCH + "7", patch)
    assert answer is not None
    assert answer.topic == "$iothub/twin/res/400/?$rid=7"
    assert "ErrorCode" in json.loads(answer.body)["message"]
    assert reported(twins) == {"$version": 1}


@pytest.mark.parametrize(
    ("topic", "answered"),
    [
        ("$iothub/twin/GET/?$rid=a%20b", "$iothub/twin/res/200/?$rid=a%20b"),
        ("$iothub/twin/GET?$rid=1", "$iothub/twin/res/200/?$rid=1"),
        ("$iothub/twin/GET/?x=2&$rid=1", "$iothub/twin/res/200/?$rid=1"),
        ("$iothub/twin/GET/?", "$iothub/twin/res/200/?$rid="),
    ],
)
def test_the_request_id_comes_back_as_it_was_sent(topic: str, answered: str) -> None:
    answer = Twins().answer("dev1", topic, b"")
    assert answer is not None
    assert answer.topic == answered


@pytest.mark.parametrize(
    "topic",
    [
        "$iothub/twin/POST/?$rid=1",
        "$iothub/twin/GET/?$rid=" + "x" * 1000,
        "$iothub/twin/res/200/?$rid=1",
        "devices/dev1/x",
    ],
)
def test_other_topics_are_not_of_twins(topic: str) -> None:
    assert Twins().answer("dev1", topic, b"") is None
