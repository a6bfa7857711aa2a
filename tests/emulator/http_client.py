"""A plain HTTP client for tests: one request, one connection."""

import http.client
import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    ca_file: Path | None = None,
) -> Answer:
    """TLS if `ca_file` is given."""
    connection: http.client.HTTPConnection
    if ca_file is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    else:
        context = ssl.create_default_context(cafile=str(ca_file))
        connection = http.client.HTTPSConnection("localhost", port, timeout=DEADLINE_SECONDS, context=context)
    with closing(connection):
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
