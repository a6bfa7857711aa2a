import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from ingest.emulator.certificate import LIFETIME, Certificate, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def strict_client(certificate: Certificate) -> ssl.SSLContext:
    """What Python 3.13's `ssl.create_default_context` does, on every version."""
    context = ssl.create_default_context(cafile=str(certificate.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def shake_hands(client_context: ssl.SSLContext, server_context: ssl.SSLContext, host: str) -> str | None:
    """TLS version that a client and a server agree on, all in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    for _ in range(10):
        for side in list(unfinished):
            try:
                side.do_handshake()
                unfinished.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not unfinished
    return client.version()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_strict_client_that_trusts_the_ca_connects(certificate: Certificate, host: str) -> None:
    assert shake_hands(strict_client(certificate), certificate.server_context(), host) == "TLSv1.3"


def test_another_host_name_is_refused(certificate: Certificate) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(strict_client(certificate), certificate.server_context(), "example.org")


def test_a_client_that_does_not_trust_the_ca_is_refused(certificate: Certificate, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(strict_client(make_certificate(tmp_path)), certificate.server_context(), "localhost")


def test_tls_1_1_is_refused(certificate: Certificate) -> None:
    client = strict_client(certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(client, certificate.server_context(), "localhost")


def test_the_key_is_for_its_owner_alone_and_the_ca_key_is_nowhere(tmp_path: Path) -> None:
    (tmp_path / "server.key").write_text("left over, and readable")
    certificate = make_certificate(tmp_path, ("localhost",))
    assert stat.S_IMODE(certificate.key_file.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"ca.pem", "server.pem", "server.key"}
    assert b"PRIVATE" not in certificate.ca_file.read_bytes() + certificate.cert_file.read_bytes()


def test_names_addresses_and_dates(tmp_path: Path) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    made = make_certificate(tmp_path, ("hub.example", "::1", "hub.example"), now)
    leaf = x509.load_pem_x509_certificate(made.cert_file.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hub.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["::1"]
    assert leaf.not_valid_before_utc < now
    assert leaf.not_valid_after_utc == now + LIFETIME
