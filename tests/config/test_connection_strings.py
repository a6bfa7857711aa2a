import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config.connection_strings import EventHubAddress, IotHubAddress, blob_storage, event_hub, iot_hub
from ingest.config.values import BadValue, Secret
from tests.config.samples import BLOB, BLOB_KEY, EVENT_HUB, EVENT_HUB_KEY, IOT_HUB, IOT_HUB_KEY


def test_event_hub() -> None:
    assert event_hub(EVENT_HUB) == EventHubAddress(
        "ihsuprod.servicebus.windows.net", None, "iothub-ehub-a-1", "service", Secret(EVENT_HUB_KEY), emulator=False
    )


def test_names_are_read_without_regard_to_case_and_spaces_around_are_ignored() -> None:
    assert event_hub(f"  {EVENT_HUB.replace('SharedAccessKeyName', 'sharedaccesskeyname')};\n") == event_hub(EVENT_HUB)


def test_the_port_belongs_to_the_namespace_only_in_emulator_mode() -> None:
    plain = (
        "Endpoint=sb://127.0.0.1:5673;SharedAccessKeyName=a;SharedAccessKey=b;EntityPath=c;UseDevelopmentEmulator=true"
    )
    assert event_hub(plain).namespace == "127.0.0.1:5673"
    assert event_hub(plain).emulator
    over_tls = event_hub("Endpoint=sb://localhost:5674/;SharedAccessKeyName=a;SharedAccessKey=b;EntityPath=c")
    assert (over_tls.namespace, over_tls.port, over_tls.emulator) == ("localhost", 5674, False)


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        (EVENT_HUB.replace(";EntityPath=iothub-ehub-a-1", ""), "EntityPath is missing: add ;EntityPath=NAME"),
        (EVENT_HUB.replace("iothub-ehub-a-1", ""), "EntityPath is missing: add ;EntityPath=NAME"),
        (EVENT_HUB.replace("SharedAccessKeyName=service;", ""), "SharedAccessKeyName is missing"),
        (EVENT_HUB.replace(f"SharedAccessKey={EVENT_HUB_KEY};", ""), "SharedAccessKey is missing"),
        (EVENT_HUB.removeprefix("Endpoint=sb://ihsuprod.servicebus.windows.net/;"), "Endpoint is missing"),
        (f"Event Hub-compatible endpoint: {EVENT_HUB}", "there is text before Endpoint="),
        (f'"{EVENT_HUB}"', "quotation marks"),
        (EVENT_HUB.replace(";Shared", ";\nShared", 1), "line break"),
        (EVENT_HUB + ";" + EVENT_HUB, "a part is there twice"),
        (EVENT_HUB.replace("sb://", "https://"), "Endpoint is not of the form sb://"),
        (EVENT_HUB.replace("sb://ihsuprod", "sb:// ihsuprod"), "Endpoint is not of the form sb://"),
        (EVENT_HUB.replace("windows.net/", "windows.net/path"), "Endpoint is not of the form sb://"),
        (EVENT_HUB.replace("sb://ihsuprod", "sb://[ihsuprod"), "Endpoint is not of the form sb://"),
        (EVENT_HUB.replace(".net/", ".net:99999/"), "port is not a number from 1 to 65535"),
        (EVENT_HUB + ";UseDevelopmentEmulator=True", "must be exactly true"),
        (EVENT_HUB.replace("SharedAccessKey=", "SharedAccessSignature="), "a SharedAccessSignature expires"),
        (IOT_HUB, "belongs to hub.iot_hub_connection_string"),
        ("iothub-ehub-a-1", "has no NAME="),
        (BLOB, "Endpoint is missing"),
    ],
)
def test_event_hub_strings_that_are_wrong(written: str, fix: str) -> None:
    with pytest.raises(BadValue) as raised:
        event_hub(written)
    assert fix in str(raised.value)
    assert EVENT_HUB_KEY not in str(raised.value)


def test_iot_hub() -> None:
    assert iot_hub(IOT_HUB) == IotHubAddress("a.azure-devices.net", None, "service", Secret(IOT_HUB_KEY))
    assert iot_hub(IOT_HUB.replace("a.azure-devices.net", "localhost:8883")).port == 8883


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        (IOT_HUB.replace(IOT_HUB_KEY, "not base64!"), "SharedAccessKey is not base64"),
        (IOT_HUB.replace(IOT_HUB_KEY, IOT_HUB_KEY[:-1]), "SharedAccessKey is not base64"),
        (IOT_HUB.replace("SharedAccessKeyName=service;", ""), "SharedAccessKeyName is missing"),
        (IOT_HUB.replace("a.azure-devices.net", "https://a"), "HostName is not of the form"),
        (IOT_HUB.replace("SharedAccessKeyName=service", "DeviceId=d"), "of one device"),
        (EVENT_HUB, "belongs to hub.event_hub_connection_string"),
        ("", "HostName is missing"),
    ],
)
def test_iot_hub_strings_that_are_wrong(written: str, fix: str) -> None:
    with pytest.raises(BadValue) as raised:
        iot_hub(written)
    assert fix in str(raised.value)


@pytest.mark.parametrize(
    "written",
    [
        BLOB,
        f"AccountName=devstoreaccount1;AccountKey={BLOB_KEY};BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;",
        "BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=2022&sig=x",
    ],
)
def test_blob_storage(written: str) -> None:
    blob_storage(written)


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("UseDevelopmentStorage=true", "write Azurite's whole string"),
        (BLOB.replace("AccountName=a;", ""), "AccountName is missing"),
        (BLOB.replace(BLOB_KEY, "%"), "AccountKey is not base64"),
        (BLOB.replace(f"AccountKey={BLOB_KEY};", ""), "AccountKey is missing"),
        ("SharedAccessSignature=sv=2022", "BlobEndpoint is missing"),
        ("BlobEndpoint=https://[;SharedAccessSignature=sv=2022", "BlobEndpoint is not of the form https://"),
        ("BlobEndpoint=https://a:99999;SharedAccessSignature=sv=2022", "BlobEndpoint is not of the form https://"),
        ("BlobEndpoint=a.blob.core.windows.net;SharedAccessSignature=s", "BlobEndpoint is not of the form https://"),
        (f"DefaultEndpointsProtocol=ftp;AccountName=a;AccountKey={BLOB_KEY}", "DefaultEndpointsProtocol is neither"),
        (f"AccountName=a;AccountKey={BLOB_KEY};EndpointSuffix=https://core", "EndpointSuffix is not a host"),
        (EVENT_HUB, "of a hub"),
        (IOT_HUB, "of a hub"),
    ],
)
def test_blob_strings_that_are_wrong(written: str, fix: str) -> None:
    with pytest.raises(BadValue) as raised:
        blob_storage(written)
    assert fix in str(raised.value)


@given(st.text() | st.lists(st.sampled_from([*EVENT_HUB.split(";"), *IOT_HUB.split(";"), "=", "", "\n"])).map(";".join))
def test_any_text_is_an_address_or_a_bad_value(text: str) -> None:
    for parse in (event_hub, iot_hub, blob_storage):
        shown = ""
        try:
            parse(text)
        except BadValue as error:
            shown = str(error)
        assert EVENT_HUB_KEY not in shown
        assert IOT_HUB_KEY not in shown
