"""Whom clients trust at a token endpoint."""

from pathlib import Path

import pytest

from ingest.config import Kafka
from ingest.kafka import authorities
from ingest.kafka.client import settings

OIDC = {"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "OIDC"}


def test_clients_that_fetch_tokens_trust_whom_the_system_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundle.pem"
    file.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert settings(Kafka(librdkafka=OIDC))["https.ca.location"] == str(file)
    assert "https.ca.location" not in settings(Kafka())
    assert settings(Kafka(librdkafka={**OIDC, "https.ca.location": "own"}))["https.ca.location"] == "own"
    assert "https.ca.location" not in settings(Kafka(librdkafka={**OIDC, "https.ca.pem": "own"}))


def test_a_system_without_authorities_has_those_of_certifi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
    monkeypatch.setattr(authorities, "_BUNDLES", (str(tmp_path / "nothing"),))
    assert Path(authorities.bundle()).name == "cacert.pem"
