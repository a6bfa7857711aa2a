"""Each way to a token, against token endpoints on loopback; and what is said when there is none."""

import datetime
import os
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingest.config import Config, Identity, Proxy, Secret
from ingest.emulator.certificate import make_certificate
from ingest.errors import ConfigError, IngestError, Refused, Unreachable
from ingest.hub.auth import entra
from ingest.hub.auth.contract import EVENT_HUBS, IOT_HUB, SERVICES, STORAGE
from tests.hub.auth.fake_entra import CLIENT, TENANT, FakeEntra, jwt
from tests.hub.network.proxy import Proxy as FakeProxy
from tests.hub.network.proxy import answers

ARC_FOLDER = Path("/var/opt/azcmagent/tokens")
"""azure-identity takes Azure Arc's key from nowhere else."""
Way = Literal["managed_identity", "workload_identity", "client_certificate", "client_secret"]
WAYS: tuple[Way, ...] = ("managed_identity", "workload_identity", "client_certificate", "client_secret")
AUDIENCES = {
    EVENT_HUBS: "https://eventhubs.azure.net/",
    IOT_HUB: "https://iothubs.azure.net",
    STORAGE: "https://storage.azure.com",
}


@pytest.fixture(scope="module")
def certificate() -> str:
    """A certificate and its RSA key, as an application has them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now, name = datetime.datetime.now(datetime.UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    return pem.decode()


@pytest.fixture
def config(certificate: str) -> Config:
    return Config(
        identity=Identity(
            tenant_id=TENANT, client_id=CLIENT, certificate=Secret(certificate), client_secret=Secret("the-secret")
        )
    )


def by(config: Config, way: Way, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    for name, value in fake.environment(way).items():
        monkeypatch.setenv(name, value)
    token_file = tmp_path / "federated"
    token_file.write_text("of-the-service-account")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(token_file))
    client = "" if way == "managed_identity" else CLIENT
    return replace(config, identity=replace(config.identity, auth=way, client_id=client))


@pytest.mark.parametrize("way", WAYS)
def test_each_way_gives_a_new_token_for_each_service(
    config: Config, way: Way, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new one each time: what the library keeps would be given until five minutes before its end."""
    config = by(config, way, fake, monkeypatch, tmp_path)
    entra.check(config)
    assert fake.asked == []
    fetch = entra.fetcher(config)
    for service in SERVICES:
        first, second = fetch(service), fetch(service)
        assert first.text != second.text
        assert 3590 < first.seconds() <= 3600
    wanted = [each for service in SERVICES for each in (AUDIENCES[service],) * 2]
    assert [each.removesuffix("/.default") for each in fake.resources] == wanted
    shown: dict[Way, dict[str, str | None]] = {
        "managed_identity": {"client_id": None},
        "workload_identity": {"client_assertion": "of-the-service-account"},
        "client_secret": {"client_secret": "the-secret"},
        "client_certificate": {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
    }
    assert {name: fake.asked[0].get(name) for name in shown[way]} == shown[way]


def test_a_user_assigned_identity_is_asked_for_by_its_id(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "managed_identity", fake, monkeypatch, tmp_path)
    entra.fetcher(replace(config, identity=replace(config.identity, client_id=CLIENT)))(EVENT_HUBS)
    assert fake.asked[0]["client_id"] == CLIENT


def test_azure_arc_wants_to_be_shown_its_file(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "managed_identity", fake, monkeypatch, tmp_path)
    try:
        ARC_FOLDER.mkdir(parents=True, exist_ok=True)
        key = ARC_FOLDER / f"ingest-test-{os.getpid()}.key"
        key.write_text("arc")
    except OSError:
        for name, value in fake.arc(tmp_path / "nowhere.key").items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Unreachable, match="group himds"):  # without root this half alone can be tried
            entra.fetcher(config)(EVENT_HUBS)
        return
    try:
        for name, value in fake.arc(key).items():
            monkeypatch.setenv(name, value)
        assert entra.fetcher(config)(EVENT_HUBS).seconds() > 3590
        key.chmod(0)
        key.unlink()
        with pytest.raises(Unreachable, match="group himds"):
            entra.fetcher(config)(EVENT_HUBS)
    finally:
        key.unlink(missing_ok=True)


def test_the_endpoint_of_a_machine_is_never_asked_through_a_proxy(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = FakeProxy()
    try:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        config = by(config, "managed_identity", fake, monkeypatch, tmp_path)
        config = replace(config, proxy=Proxy(url=f"http://127.0.0.1:{proxy.port}"))
        assert entra.fetcher(config)(EVENT_HUBS).seconds() > 3590
        assert proxy.seen == []
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("broken", "kind", "words"),
    [
        ("407", Refused, r"wants a user and a password.*proxy\.url as http://USER@HOST:PORT"),
        ("403", Refused, r'does not let us through to localhost \("403 Filtered"\)'),
        (
            "refused",
            Unreachable,
            r"the proxy 127\.0\.0\.1:\d+ cannot be used \(.*refused.*see whether proxy\.url is right",
        ),
    ],
)
def test_entra_is_asked_through_the_proxy_of_the_configuration(
    broken: str,
    kind: type[IngestError],
    words: str,
    config: Config,
    fake: FakeEntra,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    config = by(config, "client_secret", fake, monkeypatch, tmp_path)
    between = FakeProxy("somebody", "else", answers(403, "Filtered") if broken == "403" else None)
    try:
        if broken == "refused":
            between.close()
        config = replace(config, proxy=Proxy(url=f"http://127.0.0.1:{between.port}"))
        with pytest.raises(kind, match=rf"the token endpoint localhost cannot be reached: .*{words}"):
            entra.fetcher(config)(EVENT_HUBS)
        assert between.targets == ([] if broken == "refused" else [fake.authority.removeprefix("https://")])
    finally:
        between.close()


@pytest.mark.parametrize(
    ("way", "status", "said", "kind", "words"),
    [
        (
            "client_secret",
            401,
            "AADSTS7000215: Invalid client secret provided. Trace ID: 1",
            Refused,
            "the secret's value",
        ),
        ("client_secret", 400, "AADSTS700016: Application was not found.", Refused, "identity.client_id"),
        (
            "client_certificate",
            401,
            "AADSTS700027: The certificate is not registered.",
            Refused,
            "upload the certificate",
        ),
        ("workload_identity", 400, "AADSTS70021: No matching federated identity.", Refused, "federated credential"),
        ("client_secret", 400, "AADSTS90033: A transient error has occurred.", Unreachable, "error?code=90033"),
        (
            "client_certificate",
            401,
            "AADSTS700024: Client assertion is not within its valid time range.",
            Unreachable,
            "this machine's clock is right",
        ),
        ("workload_identity", 403, "AADSTS999999: Something of next year.", Unreachable, "error?code=999999"),
        ("client_secret", 500, "AADSTS50000: There was an error issuing a token.", Unreachable, "gives no token"),
        ("managed_identity", 500, "", Unreachable, "endpoint for managed identities of this machine"),
        ("managed_identity", 404, "", Unreachable, "endpoint for managed identities of this machine"),
    ],
)
def test_a_refusal_is_told_from_what_passes(
    way: Way,
    status: int,
    said: str,
    kind: type[IngestError],
    words: str,
    config: Config,
    fake: FakeEntra,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    config = by(config, way, fake, monkeypatch, tmp_path)
    fake.status, fake.error = status, said
    with pytest.raises(kind) as raised:
        entra.fetcher(config)(EVENT_HUBS)
    assert type(raised.value) is kind
    text = str(raised.value)
    assert words in text
    assert "the-secret" not in text
    assert "Trace ID" not in text
    assert "\n" not in text
    assert len(fake.asked) == 1, "tries again by itself no sooner than we do"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b" "),
        (200, b"<html>login</html>"),
        (302, b"<html>login</html>"),
        (502, b"<html>Bad gateway</html>"),
        (200, b"[]"),
        (200, b"[" * 100_000),
        (200, b"{}"),
        (200, b'{"access_token": 5, "expires_in": 60}'),
        (200, b'{"access_token": "eyJ.a.b", "expires_in": 1e999}'),
        (200, b'{"access_token": "eyJ.a.b", "expires_in": "soon"}'),
        (200, b'{"access_token": "eyJ.a.b", "expires_in": 0}'),
        (200, b'{"access_token": "eyJ a\\r\\nX: b", "expires_in": 60}'),
        (200, b'{"access_token": "eyJ.a.b", '),
    ],
)
@pytest.mark.parametrize("way", ["managed_identity", "client_secret", "workload_identity"])
def test_an_answer_that_is_no_token_is_one_that_passes(
    way: Way, body: bytes, status: int, config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, way, fake, monkeypatch, tmp_path)
    fake.body, fake.status = body, status
    with pytest.raises(Unreachable) as raised:
        entra.fetcher(config)(EVENT_HUBS)
    text = str(raised.value)
    assert re.fullmatch(r"the (token )?endpoint.* gives no token .*\(.+\): see [^\n]+", text), text
    assert "eyJ" not in text


@pytest.mark.parametrize(
    "authority", ["https://[", "https://a:b", "http://login.example", "https://me:hunter2@login.example"]
)
def test_an_authority_that_is_no_address_is_told_and_the_secret_is_not_blamed(
    authority: str, config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "client_secret", fake, monkeypatch, tmp_path)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
    with pytest.raises(ConfigError, match="AZURE_AUTHORITY_HOST: is not the address of a token endpoint") as raised:
        entra.check(config)
    assert "hunter2" not in str(raised.value)


def endpoints_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All token endpoints are on this port of this machine."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://localhost:{port}")


def test_an_endpoint_that_accepts_and_never_answers_is_given_up(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(entra, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(entra, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for way in (WAYS[0], WAYS[-1]):
            config = by(config, way, fake, monkeypatch, tmp_path)
            endpoints_at(port, monkeypatch)
            with pytest.raises(Unreachable, match=r"gives no token \(.+\): see"):
                entra.fetcher(config)(EVENT_HUBS)


def test_the_file_that_a_pod_does_not_have_is_named(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "workload_identity", fake, monkeypatch, tmp_path)
    (tmp_path / "federated").unlink()
    with pytest.raises(Unreachable, match=rf"gives no token \(.+\): see that {tmp_path}/federated is there"):
        entra.fetcher(config)(EVENT_HUBS)


def test_a_token_that_has_run_out_is_none(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "managed_identity", fake, monkeypatch, tmp_path)
    fake.life = -5
    with pytest.raises(
        Unreachable, match=r"run out when it comes, [56] s ago\): .* that this machine's clock is right"
    ):
        entra.fetcher(config)(EVENT_HUBS)


def test_a_life_that_no_token_has_is_not_believed(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for way in (WAYS[0], WAYS[-1]):
        config = by(config, way, fake, monkeypatch, tmp_path)
        fake.body = f'{{"access_token": "{jwt("x", 300)}", "expires_in": {10**17}}}'.encode()
        assert 0 < entra.fetcher(config)(EVENT_HUBS).seconds() < 400


@pytest.mark.parametrize("way", ["managed_identity", "client_secret"])
def test_an_endpoint_that_is_not_there_passes(
    way: Way, config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, way, fake, monkeypatch, tmp_path)
    endpoints_at(9, monkeypatch)
    with pytest.raises(Unreachable):
        entra.fetcher(config)(EVENT_HUBS)


def test_an_authority_whose_certificate_is_not_trusted_is_named(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "client_secret", fake, monkeypatch, tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificate(tmp_path).ca_file))
    with pytest.raises(Unreachable, match=r"the certificate of localhost is not trusted.*REQUESTS_CA_BUNDLE"):
        entra.fetcher(config)(EVENT_HUBS)


def test_a_certificate_of_another_kind_is_refused_before_the_start(
    config: Config, fake: FakeEntra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = by(config, "client_certificate", fake, monkeypatch, tmp_path)
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nAA\n"
    with pytest.raises(ConfigError, match=r"identity\.certificate") as raised:
        entra.check(replace(config, identity=replace(config.identity, certificate=Secret(broken))))
    assert "AAAA" not in str(raised.value)


def test_without_the_extra_the_configuration_names_it(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ConfigError, match=r"pip install 'iothub-kafka-ingest\[entra\]'"):
        entra.check(replace(config, identity=replace(config.identity, auth="managed_identity")))
    entra.check(config)
