"""Whom librdkafka trusts when it fetches a token over HTTPS (`sasl.oauthbearer.method = "oidc"`).

Its HTTP client is built for the paths of another distribution, so that without `https.ca.location` every fetch fails with
"error adding trust anchors from file"; `ssl.ca.location` is for brokers alone.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Red Hat, Fedora
    "/etc/pki/tls/certs/ca-bundle.crt",  # older ones of these
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSD, macOS
)


def of_token_endpoint(chosen: Mapping[str, str]) -> dict[str, str]:
    """Returns `https.ca.location` for librdkafka's settings `chosen`, unless they fetch no token or have authorities of
    their own."""
    if chosen.get("sasl.oauthbearer.method", "").lower() != "oidc":
        return {}
    if "https.ca.location" in chosen or "https.ca.pem" in chosen:
        return {}
    return {"https.ca.location": bundle()}


def bundle() -> str:
    """Returns the file with the authorities that this system trusts: that of SSL_CERT_FILE or of Python's OpenSSL, one of
    the usual ones, or that of certifi."""
    own = ssl.get_default_verify_paths().cafile
    found = next((path for path in (own, *_BUNDLES) if path and Path(path).is_file()), None)
    if found is not None:
        return found
    import certifi

    return certifi.where()
