"""Outputs of the Azure CLI, one after another."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Secret
from ingest.config.layers import dotted
from ingest.discovery.azure_cli import discover
from ingest.discovery.cli_output import decoded
from ingest.discovery.found import Found
from ingest.errors import Refused

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "az.json").read_text())
SHOW, REST, QUERY, POLICY, KEY, OLD, STRING, EVENTS, ALL, UNNAMED = VECTORS.values()

IOT_HUB = "HostName=myhub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=cHJpbWFyeQ=="
EVENT_HUB = (
    "Endpoint=sb://iothub-ns-myhub-1234567-89abcdef01.servicebus.windows.net/;"
    "SharedAccessKeyName=service;SharedAccessKey=cHJpbWFyeQ==;EntityPath=myhub"
)
BOTH = {"hub.event_hub_connection_string": EVENT_HUB, "hub.iot_hub_connection_string": IOT_HUB}
PLAN = {"hub.retention_days": 1, "sink.tier": "S1", "sink.units": 1}


def settings(found: Found) -> dict[str, str | int]:
    return {
        dotted(name): value.reveal() if isinstance(value, Secret) else value for name, value in found.settings.items()
    }


def found(*outputs: Any, hub: str | None = None) -> dict[str, str | int]:
    return settings(discover("\n".join(json.dumps(output, indent=2) for output in outputs), hub=hub))


def refused(text: str, hub: str | None = None) -> str:
    with pytest.raises(Refused) as caught:
        discover(text, hub=hub)
    assert "cHJpbWFyeQ" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([SHOW], PLAN),
        ([REST], PLAN),
        ([SHOW, POLICY], BOTH | PLAN),
        ([POLICY, REST], BOTH | PLAN),
        ([[SHOW], KEY], BOTH | PLAN),
        ([QUERY, POLICY], {"hub.event_hub_connection_string": EVENT_HUB}),
        ([QUERY, KEY], {"hub.event_hub_connection_string": EVENT_HUB}),
        ([QUERY, OLD], BOTH),
        ([OLD], {"hub.iot_hub_connection_string": IOT_HUB}),
        ([STRING], {"hub.iot_hub_connection_string": IOT_HUB}),
        ([STRING, SHOW], BOTH | PLAN),
        ([EVENTS], {"hub.event_hub_connection_string": EVENT_HUB}),
        ([EVENTS, "myhub.azure-devices.net"], BOTH),
        ([EVENTS, STRING], BOTH),
        ([ALL], {"hub.iot_hub_connection_string": IOT_HUB}),
        ([UNNAMED], {"hub.iot_hub_connection_string": IOT_HUB.replace("=service;", "=iothubowner;")}),
        ([SHOW["properties"], POLICY], BOTH | {"hub.retention_days": 1}),
        (
            [SHOW["properties"]["eventHubEndpoints"], POLICY],
            {"hub.event_hub_connection_string": EVENT_HUB, "hub.retention_days": 1},
        ),
        ([{"value": [SHOW]}, {"KeyName": "service", "PrimaryKey": "cHJpbWFyeQ=="}], BOTH | PLAN),
        (
            [
                SHOW,
                [
                    {**POLICY, "keyName": "device", "rights": "DeviceConnect"},
                    {**POLICY, "rights": "RegistryRead, ServiceConnect"},
                ],
            ],
            BOTH | PLAN,
        ),
    ],
)
def test_each_shape_and_several_of_them(outputs: list[Any], expected: dict[str, str | int]) -> None:
    assert found(*outputs) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"{IOT_HUB}\n{EVENT_HUB}\n",
        f'"{IOT_HUB}"\r\n"{EVENT_HUB}"\r\n',
        f"'{IOT_HUB}'\n\n'{EVENT_HUB}'",
        f"connectionString: {IOT_HUB}\nconnectionString: {EVENT_HUB}",
        f"\ufeffWARNING: this is a preview\n\x1b[33m{json.dumps(STRING)}\x1b[0m{json.dumps(EVENTS)}",
        "sb://iothub-ns-myhub-1234567-89abcdef01.servicebus.windows.net/\tmyhub\t4\ncHJpbWFyeQ==\nmyhub.azure-devices.net",
        f'{json.dumps(QUERY)}cHJpbWFyeQ==\n"myhub.azure-devices.net"',
        json.dumps(QUERY).replace("sb:", "Endpoint=sb:").replace('net/"', 'net/;EntityPath=x"') + json.dumps([STRING]),
    ],
)
def test_quoted_or_not(text: str) -> None:
    assert settings(discover(text)) == BOTH


def test_text_of_powershell() -> None:
    assert settings(discover(decoded(f"{IOT_HUB}\r\n".encode("utf-16")))) == {"hub.iot_hub_connection_string": IOT_HUB}
    with pytest.raises(Refused, match="no text in UTF-8"):
        decoded(b"\xff\xff")


def test_a_key_without_padding_is_told_from_a_name() -> None:
    key = "c2Vjb25kYXJ5"
    assert key in str(found(SHOW, key)["hub.event_hub_connection_string"])


def test_several_hubs() -> None:
    other = json.loads(json.dumps(SHOW).replace("myhub", "other"))
    assert "2 hubs (myhub, other): choose one with --hub" in refused(json.dumps([SHOW, other]))
    assert "there is no hub third in what az printed, but myhub, other" in refused(
        json.dumps([SHOW, other]), hub="third"
    )
    assert found([SHOW, other], POLICY, hub="MyHub") == BOTH | PLAN
    assert "another: pipe in one hub at a time" in refused(json.dumps(other) + json.dumps(EVENTS))


def test_what_is_missing_is_said() -> None:
    assert "az iot hub policy show" in str(discover(json.dumps(SHOW)).notes)
    assert "az iot hub show" in refused(json.dumps(POLICY))
    notes = discover(json.dumps(SHOW) + json.dumps({**POLICY, "keyName": "device", "rights": "DeviceConnect"})).notes
    assert "Without the right ServiceConnect, of no use here: the policy device." in notes
    basic = {**SHOW, "sku": {"name": "B1", "tier": "Basic", "capacity": 1}}
    assert "The hub's tier B1 has no cloud-to-device messages" in discover(json.dumps(basic)).notes[0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "nothing of a hub"),
        ("ERROR: (ResourceNotFound) no hub", "az has failed: (ResourceNotFound) no hub"),
        ("null", "--query finds nothing"),
        ("[null]", "--query finds nothing"),
        ("[]", "nothing of a hub"),
        ('{"a": 1}', "an object with a,"),
        ('{"error": {"message": "no"}}', "az has failed: no"),
        ('{"keyName": "service", "primaryKey": null}', "no primaryKey"),
        ('{"primaryKey": "cHJpbWFyeQ==', "not whole"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 50 + "]" * 50, "lists within lists"),
        ("HostName=myhub;SharedAccessKey=cHJpbWFyeQ==", "SharedAccessKeyName is missing"),
        (f"{IOT_HUB.replace('==', '%')}", "not base64"),
        ("a b c ???", "a text of 3 characters"),
        ('{"EventHubCompatibleEndpoint": "https://x"}', "not of the form sb://"),
        (json.dumps({**SHOW, "name": 7, "properties": {"hostName": 7, "eventHubEndpoints": []}}), "az iot hub"),
    ],
)
def test_what_is_no_output_of_a_hub(text: str, named: str) -> None:
    if "hostName" in text:
        assert named in str(discover(text).notes)
        return
    assert named in refused(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just(IOT_HUB),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "connectionString", "primaryKey", "sku", "name", "events", "value"]), inner
        )
    ),
    max_leaves=10,
)


@given(st.lists(json_values.map(json.dumps) | st.text(max_size=20), max_size=4))
def test_any_text_is_a_hub_or_a_sentence(outputs: list[str]) -> None:
    try:
        discover("\n".join(outputs))
    except Refused as error:
        assert "cHJpbWFyeQ" not in str(error)  # noqa: PT017
