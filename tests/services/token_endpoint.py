"""A token endpoint over HTTPS: for clients with their secret, and as the metadata service of a machine in Azure."""

import base64
import json
import ssl
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.services.authority import Issued
from tests.services.http_server import Handler, HttpServer

CLIENT, SECRET = "ingest", "token-Hush-9"
AUDIENCE, ISSUER = "kafka", "https://issuer.example.com"
_LIFE_SECONDS = 3600


class TokenEndpoint:
    """`url` gives a token for `CLIENT` and `SECRET`, 401 to others; `metadata_url` gives one to whoever says `Metadata: true`."""

    def __init__(self, issued: Issued) -> None:
        self.asked: list[str] = []
        """The path of each request that was given a token."""
        self._key = generate_private_key(SECP256R1())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        self._server = HttpServer(_handler(self), context)
        self.url, self.metadata_url = (
            f"{self._server.url}/{path}" for path in ("token", "metadata/identity/oauth2/token")
        )

    def write_keys(self, path: Path) -> None:
        """Writes the key set (RFC 7517) with which a broker checks the tokens."""
        point = self._key.public_key().public_numbers()
        key = {"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256"}
        path.write_text(json.dumps({"keys": [key | {"x": _encoded(_bytes(point.x)), "y": _encoded(_bytes(point.y))}]}))

    def token(self) -> str:
        """Returns a JSON Web Token for an hour."""
        now = int(time.time())
        claims = {"sub": CLIENT, "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + _LIFE_SECONDS}
        head = {"alg": "ES256", "kid": "k"}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(SHA256())))
        return f"{signed}.{_encoded(_bytes(r) + _bytes(s))}"

    def allows(self, handler: BaseHTTPRequestHandler) -> bool:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if handler.path.startswith("/metadata/"):
            return handler.headers.get("Metadata") == "true"
        return handler.headers.get("Authorization") == f"Basic {basic}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()


def _handler(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Tokens(Handler):
        def serve(self) -> None:
            self.body()
            allowed = endpoint.allows(self)
            answer: dict[str, Any] = {"error": "invalid_client", "error_description": "unknown client"}
            if allowed:
                endpoint.asked.append(self.path)
                answer = {"access_token": endpoint.token(), "token_type": "Bearer", "expires_in": _LIFE_SECONDS}
            body = json.dumps(answer).encode()
            self.answer(200 if allowed else 401, body, {"Content-Type": "application/json"})

    return Tokens


def _bytes(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
