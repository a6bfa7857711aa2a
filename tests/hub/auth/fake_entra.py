"""The token endpoints of an Entra identity on loopback: of a virtual machine and of Azure Arc (HTTP), and Entra's own (HTTPS).

Its tokens are JSON Web Tokens without a signature that means anything: neither the emulator nor Azurite looks at that.
"""

import base64
import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from ingest.emulator.certificate import make_certificate
from tests.services.http_server import NO_HEADERS, Handler, HttpServer

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
VARIABLES = ("AZURE_", "IDENTITY_", "IMDS_", "MSI_", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How the names of those begin that decide which endpoint is asked."""
_JSON = {"Content-Type": "application/json"}
GRACE = 60
"""A service takes a token for so much longer than its client knows: a busy machine is no reason to end a link."""


def jwt(audience: str, seconds: float, **claims: Any) -> str:
    """A token for `audience`."""
    now = int(time.time())
    payload = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "tid": TENANT,
        "appid": CLIENT,
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + round(seconds),
        "jti": f"{time.monotonic_ns()}",
    }
    parts = [json.dumps(each).encode() for each in ({"alg": "RS256", "typ": "JWT"}, payload | claims)]
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (*parts, b"signature"))


class FakeEntra:
    """`life`: seconds that its tokens hold. `status`: 200, or what it answers instead. `error`: Entra's own words then."""

    def __init__(self, folder: Path, *, life: int = 3600) -> None:
        self.life = life
        self.status = 200
        self.error = ""
        self.body: bytes | None = None
        """What it answers in place of a token."""
        self.arc_key: Path | None = None
        """The file whose content Azure Arc's endpoint wants to be shown."""
        self.asked: list[dict[str, str]] = []
        """The parameters of each request for a token."""
        certificate = make_certificate(folder)
        self.ca_file = certificate.ca_file
        self._servers = [self._serve(None), self._serve(certificate.server_context())]
        self.machine, self.authority = (
            f"{scheme}://{host}:{server.server_address[1]}"
            for scheme, host, server in zip(("http", "https"), ("127.0.0.1", "localhost"), self._servers, strict=True)
        )

    @property
    def resources(self) -> list[str]:
        """What tokens were asked for."""
        return [each.get("resource") or each.get("scope", "") for each in self.asked]

    def environment(self, auth: str) -> dict[str, str]:
        """What azure-identity and ingest find there, for a way of `identity.auth`."""
        if auth == "managed_identity":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.machine}
        return {"AZURE_AUTHORITY_HOST": self.authority, "REQUESTS_CA_BUNDLE": str(self.ca_file)}

    def arc(self, key: Path) -> dict[str, str]:
        """The same for a machine of Azure Arc."""
        self.arc_key = key
        path = "/metadata/identity/oauth2/token"
        return {"IDENTITY_ENDPOINT": f"{self.machine}{path}", "IMDS_ENDPOINT": self.machine}

    def __enter__(self) -> Self:
        for server in self._servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.stop()

    def _serve(self, context: ssl.SSLContext | None) -> HttpServer:
        entra = self

        class Endpoints(Handler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                url = urlsplit(self.path)
                if self.command == "POST":
                    self._token(dict(parse_qsl(self.body().decode())))
                elif url.path.endswith("/.well-known/openid-configuration"):
                    base = f"{entra.authority}/{url.path.split('/')[1]}/oauth2/v2.0"
                    self._tell(200, {"issuer": base, "token_endpoint": f"{base}/token", "authorization_endpoint": base})
                elif (
                    url.path != "/metadata/identity/oauth2/token" or self.headers.get("Metadata", "").lower() != "true"
                ):
                    self._tell(400, {"error": "invalid_request"})
                elif entra.arc_key is not None and self.headers.get("Authorization") != entra._basic():
                    self._tell(401, {}, {"WWW-Authenticate": f"Basic realm={entra.arc_key}"})
                else:
                    self._token(dict(parse_qsl(url.query)))

            def _token(self, asked: dict[str, str]) -> None:
                entra.asked.append(asked)
                wanted = asked.get("resource") or asked["scope"].removesuffix("/.default")
                if entra.status != 200 or entra.body is not None:
                    body = entra.body or json.dumps({"error": "refused", "error_description": entra.error}).encode()
                    self.answer(entra.status, body, _JSON)
                    return
                life = {"expires_in": entra.life, "expires_on": str(int(time.time()) + entra.life)}
                self._tell(
                    200,
                    {"access_token": jwt(wanted, entra.life + GRACE), "token_type": "Bearer", "resource": wanted}
                    | life,
                )

            def _tell(self, status: int, body: dict[str, Any], headers: Mapping[str, str] = NO_HEADERS) -> None:
                self.answer(status, json.dumps(body).encode(), {**_JSON, **headers})

        return HttpServer(Endpoints, context)

    def _basic(self) -> str:
        return f"Basic {self.arc_key.read_text()}" if self.arc_key is not None else ""
