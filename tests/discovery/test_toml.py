"""What was found, merged into files as people write them."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Secret
from ingest.discovery.found import Found
from ingest.discovery.toml import merged, rendered
from ingest.errors import Refused

IOT_HUB = "HostName=h;SharedAccessKeyName=service;SharedAccessKey=bmV3"
FOUND = Found(
    {
        ("hub", "iot_hub_connection_string"): Secret(IOT_HUB),
        ("kafka", "bootstrap_servers"): "a:9092,b:9092",
        ("kafka", "librdkafka", "security.protocol"): "ssl",
        ("sink", "units"): 2,
    },
    ("a note\nof two lines",),
)
PLAIN = {
    "hub": {"iot_hub_connection_string": IOT_HUB},
    "kafka": {"bootstrap_servers": "a:9092,b:9092", "librdkafka": {"security.protocol": "ssl"}},
    "sink": {"units": 2},
}


def into(text: str, found: Found = FOUND, *, replace: bool = False, in_file: str | None = None) -> str:
    return merged(text, found, replace_secrets=replace, read_secret=lambda _: in_file).text


def test_alone() -> None:
    text = rendered(FOUND, hide_secrets=False)
    assert tomllib.loads(text) == PLAIN
    assert text.startswith("# a note\\nof two lines\n[hub]\n")
    hidden = rendered(FOUND, hide_secrets=True)
    assert "bmV3" not in hidden
    assert tomllib.loads(hidden)["hub"] == {"iot_hub_connection_string": "***"}


def test_comments_order_and_all_other_keys_stay() -> None:
    text = """\
# of the plant in Ulm
[sink]  # commands
units = 1  # bought in May
tier = 'S2'

[hub]
# from the portal
iot_hub_connection_string = ""

[kafka]
bootstrap_servers = "old:9092"
[kafka.librdkafka]
compression.type = "lz4"
"""
    result = merged(text, FOUND, replace_secrets=False, read_secret=lambda _: None)
    for kept in (
        "# of the plant in Ulm\n[sink]  # commands\nunits = 2  # bought in May\ntier = 'S2'\n",
        "# from the portal\n",
    ):
        assert kept in result.text
    assert tomllib.loads(result.text) == {
        "sink": {"units": 2, "tier": "S2"},
        "hub": PLAIN["hub"],
        "kafka": {
            "bootstrap_servers": "a:9092,b:9092",
            "librdkafka": {"compression": {"type": "lz4"}, "security.protocol": "ssl"},
        },
    }
    assert result.changes == (
        "kafka.bootstrap_servers was old:9092 and is a:9092,b:9092 now.",
        "sink.units was 1 and is 2 now.",
    )
    assert into(result.text) == result.text, "a second time changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        'hub.ca_file = ""\nsink.units = 1\n',
        'hub = { ca_file = "" }\n',
        '[kafka.librdkafka]\nsecurity.protocol = "plaintext"\n',
        '[kafka.librdkafka]\n"security.protocol" = "plaintext"\n[kafka.librdkafka.sasl]\nmechanism = "PLAIN"\n',
        "[kafka]\nproducers = 1\n[source]\n[kafka.librdkafka]\n[hub]\nretention_days = 2",
        '[source]\r\ntopic = "x"\r\n',
        "\ufeff"[1:] + "# only a comment",
    ],
)
def test_however_the_sections_are_written(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(into(text))
    assert after["hub"]["iot_hub_connection_string"] == IOT_HUB
    assert after["sink"]["units"] == 2
    protocol = after["kafka"]["librdkafka"]
    assert protocol.get("security.protocol", protocol.get("security", {}).get("protocol")) == "ssl"
    assert set(before) <= set(after)


def test_a_secret_is_never_replaced_silently() -> None:
    text = '[hub]\niot_hub_connection_string = "HostName=h;SharedAccessKey=b2xk"\n'
    with pytest.raises(Refused, match=r"hub\.iot_hub_connection_string is set already") as caught:
        into(text)
    assert "b2xk" not in str(caught.value)
    result = merged(text, FOUND, replace_secrets=True, read_secret=lambda _: None)
    assert tomllib.loads(result.text) == PLAIN
    assert result.changes == ("hub.iot_hub_connection_string has another secret now.",)


def test_a_secret_in_a_file_of_its_own() -> None:
    text = '[hub]\niot_hub_connection_string_file = "iot-hub"\n'
    assert tomllib.loads(into(text, in_file=IOT_HUB))["hub"] == {"iot_hub_connection_string_file": "iot-hub"}
    for content in (None, "another"):
        with pytest.raises(Refused, match=r"hub\.iot_hub_connection_string_file is set already"):
            into(text, in_file=content)
    assert tomllib.loads(into(text, replace=True, in_file="another"))["hub"] == PLAIN["hub"]


@pytest.mark.parametrize("text", ["[hub", "hub = 1", "kafka = [1]", "a = " + "[" * 10_000, "[[sink]]\nunits = 1\n"])
def test_a_file_that_will_not_do(text: str) -> None:
    with pytest.raises(Refused, match="nothing was written"):
        into(text)


values = st.text(max_size=5) | st.integers(0, 9) | st.booleans() | st.lists(st.text(max_size=3), max_size=2)
documents = st.dictionaries(
    st.sampled_from(["hub", "kafka", "sink", "source"]),
    st.dictionaries(st.sampled_from(["topic", "units", "bootstrap_servers", "a.b", "ü"]), values, max_size=3),
)


@given(documents)
def test_what_is_there_stays(document: dict[str, dict[str, Any]]) -> None:
    import tomlkit

    after = tomllib.loads(into(f"# first\n{tomlkit.dumps(document)}# last\n"))
    for section, keys in document.items():
        for key, value in keys.items():
            if (section, key) not in FOUND.settings:
                assert after[section][key] == value
    assert after["sink"]["units"] == 2
