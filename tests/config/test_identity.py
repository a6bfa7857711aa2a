"""[identity] and the places that it is shown to: what goes together, and the words for what does not."""

from pathlib import Path

import pytest

from ingest.config import Config, directions, load
from ingest.errors import ConfigError

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
PEM = "\n".join(f"-----BEGIN {what}-----\nAA==\n-----END {what}-----" for what in ("PRIVATE KEY", "CERTIFICATE"))
HUB = """
[hub]
event_hub_namespace = "mine.servicebus.windows.net"
event_hub_name = "telemetry"
iot_hub_host = "mine.azure-devices.net"
"""
BLOB = """
[checkpoints]
blob_account_url = "https://mine.blob.core.windows.net"
"""
KEY = "Endpoint=sb://iothub-ns-mine-1-2.servicebus.windows.net/;SharedAccessKeyName=service;SharedAccessKey=abc=;EntityPath=mine"
POD = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token"}


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "ingest.toml"
    path.write_text(text)
    return load(path, environ=environ or {})


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, environ)
    return {problem.key: str(problem) for problem in raised.value.problems}


def identity(*lines: str) -> str:
    return "\n".join(["[identity]", *lines, ""])


@pytest.mark.parametrize(
    ("lines", "environ"),
    [
        (['auth = "managed_identity"'], {}),
        (['auth = "managed_identity"', f'client_id = "{CLIENT}"'], {}),
        (['auth = "workload_identity"'], POD),
        (
            ['auth = "workload_identity"', f'tenant_id = "{TENANT}"', f'client_id = "{CLIENT}"'],
            {"AZURE_FEDERATED_TOKEN_FILE": "/var/run/token"},
        ),
        (
            [
                'auth = "client_secret"',
                'tenant_id = "mine.onmicrosoft.com"',
                f'client_id = "{CLIENT}"',
                'client_secret_file = "s"',
            ],
            {},
        ),
        (
            [
                'auth = "client_certificate"',
                f'tenant_id = "{TENANT}"',
                f'client_id = "{CLIENT}"',
                'certificate_file = "c"',
            ],
            {},
        ),
    ],
)
def test_each_way_is_one_section(lines: list[str], environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s").write_text("the-secret\n")
    (tmp_path / "c").write_text(PEM)
    config = read(tmp_path, HUB + BLOB + identity(*lines), environ)
    assert config.reads_telemetry
    assert config.sends_commands
    assert config.hub.event_hub is not None
    assert config.hub.event_hub.namespace == "mine.servicebus.windows.net"
    assert not config.hub.event_hub.key
    assert "the-secret" not in repr(config)
    assert "BEGIN" not in repr(config)


def test_the_built_in_endpoint_takes_keys_only(tmp_path: Path) -> None:
    """With a key it goes beside an identity for the rest."""
    text = (
        HUB.replace("mine.servicebus", "iothub-ns-mine-1-2.servicebus") + BLOB + identity('auth = "managed_identity"')
    )
    [said] = problems(tmp_path, text).values()
    assert "built-in endpoint of an IoT hub, which takes keys only" in said
    assert "route the hub's messages to an Event Hub of your own" in said
    mixed = f'[hub]\nevent_hub_connection_string = "{KEY}"\niot_hub_host = "mine.azure-devices.net"\n'
    config = read(tmp_path, mixed + BLOB + identity('auth = "managed_identity"'))
    assert config.hub.event_hub is not None
    assert config.hub.event_hub.policy == "service"
    alone = problems(
        tmp_path, f'[hub]\nevent_hub_connection_string = "{KEY}"\n' + identity('auth = "managed_identity"')
    )
    assert "The built-in endpoint of an IoT hub takes keys only" in alone["identity.auth"]


@pytest.mark.parametrize(
    ("text", "environ", "key", "words"),
    [
        (HUB + BLOB, {}, "hub.event_hub_namespace", "write identity.auth"),
        (HUB + BLOB, {}, "checkpoints.blob_account_url", "or checkpoints.blob_connection_string instead"),
        (
            HUB.replace('event_hub_name = "telemetry"', ""),
            {},
            "hub.event_hub_name",
            "is required by hub.event_hub_namespace",
        ),
        ('[hub]\nevent_hub_name = "t"\n', {}, "hub.event_hub_name", "is of use only beside"),
        (HUB + BLOB + identity('auth = "client_secret"'), {}, "identity.client_secret", "identity.client_secret_file"),
        (HUB + BLOB + identity('auth = "client_secret"'), {}, "identity.tenant_id", "is required"),
        (HUB + BLOB + identity('auth = "client_certificate"'), {}, "identity.certificate", "certificate_file"),
        (HUB + BLOB + identity('auth = "workload_identity"'), {}, "identity.client_id", "AZURE_CLIENT_ID"),
        (
            HUB + BLOB + identity('auth = "workload_identity"', f'tenant_id = "{TENANT}"', f'client_id = "{CLIENT}"'),
            {},
            "identity.auth",
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            HUB + BLOB + identity('auth = "managed_identity"', 'client_secret = "x"'),
            {},
            "identity.client_secret",
            "leave it out",
        ),
        (
            HUB + BLOB + identity('auth = "managed_identity"', 'client_id = "mine"'),
            {},
            "identity.client_id",
            "not the id",
        ),
        (HUB + BLOB + identity('auth = "default"'), {}, "identity.auth", "write one of"),
        (
            HUB + f'event_hub_connection_string = "{KEY}"\n' + BLOB + identity('auth = "managed_identity"'),
            {},
            "hub.event_hub_namespace",
            "keep one of the two",
        ),
        (
            HUB + identity('auth = "managed_identity"'),
            {},
            "checkpoints.blob_connection_string",
            "or checkpoints.blob_account_url",
        ),
        (HUB.replace("mine.servicebus", "sb://mine.servicebus"), {}, "hub.event_hub_namespace", "write the name alone"),
        (HUB + BLOB.replace("https", "http"), {}, "checkpoints.blob_account_url", "write https://ACCOUNT"),
        (HUB + BLOB.replace("https://", "https://["), {}, "checkpoints.blob_account_url", "write https://ACCOUNT"),
        (HUB + BLOB.replace(".net", ".net:70000"), {}, "checkpoints.blob_account_url", "write https://ACCOUNT"),
    ],
)
def test_what_does_not_go_together_is_said_with_its_key(
    text: str, environ: dict[str, str], key: str, words: str, tmp_path: Path
) -> None:
    found = problems(tmp_path, text, environ)
    assert key in found
    assert words in found[key]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("-----BEGIN CERTIFICATE-----", "there is no private key in it"),
        ("-----BEGIN PRIVATE KEY-----", "there is no certificate in it"),
        (PEM.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "has a password"),
    ],
)
def test_a_certificate_needs_its_key(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_text(content)
    lines = [
        'auth = "client_certificate"',
        f'tenant_id = "{TENANT}"',
        f'client_id = "{CLIENT}"',
        'certificate_file = "c"',
    ]
    [said] = problems(tmp_path, HUB + BLOB + identity(*lines)).values()
    assert words in said


IOT_HUB = (
    'iot_hub_connection_string = "HostName=mine.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=a2V5"'
)


def test_the_iot_hub_s_string_alone_is_for_both_directions_if_there_is_a_place_for_checkpoints(tmp_path: Path) -> None:
    alone = f"[hub]\n{IOT_HUB}\n"
    config = read(tmp_path, alone)
    assert directions(config) == ("sink",), "as before: commands alone"
    config = read(tmp_path, alone + '[checkpoints]\nstore = "file"\n')
    assert (directions(config), config.finds_event_hub) == (("source", "sink"), True)
    path = tmp_path / "ingest.toml"
    path.write_text(alone)
    with pytest.raises(ConfigError) as raised:
        load(path, environ={}, for_command="source")
    assert [problem.key for problem in raised.value.problems] == ["checkpoints.blob_connection_string"]


def test_an_identity_finds_no_event_hub(tmp_path: Path) -> None:
    """The endpoint that the hub would name takes keys only."""
    path = tmp_path / "ingest.toml"
    host = '[hub]\niot_hub_host = "mine.azure-devices.net"\n'
    path.write_text(host + '[checkpoints]\nstore = "file"\n' + identity('auth = "managed_identity"'))
    assert not load(path, environ={}).finds_event_hub
    with pytest.raises(ConfigError, match=r"hub\.event_hub_namespace and hub.event_hub_name for the identity"):
        load(path, environ={}, for_command="source")
