"""A schema registry of a few lines, for what a real one cannot be made to say."""

import base64
import json
import ssl
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from tests.services.http_server import Handler, HttpServer


class ToyRegistry:
    """On a free port of 127.0.0.1. `versions`: by subject the schemas, each with its id; a request for a path that is in
    `answers` gets that status and body instead."""

    def __init__(self, login: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.versions: dict[str, list[tuple[int, str]]] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        registry = self

        class Registry(Handler):
            def serve(self) -> None:
                registry.asked.append((self.command, self.path))
                body = json.loads(self.body() or b"null")
                allowed = "Basic " + base64.b64encode(login.encode()).decode()
                if login and self.headers["Authorization"] != allowed:
                    status, content = 401, b'{"error_code":401,"message":"Unauthorized"}'
                elif self.path in registry.answers:
                    status, content = registry.answers[self.path]
                else:
                    status, told = registry._told(self.command, self.path, body)
                    content = json.dumps(told).encode()
                self.answer(status, content)

        self._server = HttpServer(Registry, tls)
        self.url = self._server.url

    def _told(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match [unquote(part) for part in path.split("/")[1:]]:
            case ["schemas", "ids", number]:
                found = [schema for held in self.versions.values() for known, schema in held if str(known) == number]
                return (200, {"schema": found[0]}) if found else (404, {"error_code": 40403, "message": "not found"})
            case ["subjects", subject, "versions"] if method == "POST":
                held = self.versions.setdefault(subject, [])
                held.append((100 + len(held), body["schema"]))
                return 200, {"id": held[-1][0]}
            case ["subjects", subject, "versions"] if subject in self.versions:
                return 200, [*range(1, len(self.versions[subject]) + 1)]
            case ["subjects", subject, "versions", version] if subject in self.versions:
                known, schema = self.versions[subject][int(version) - 1]
                return 200, {"subject": subject, "version": int(version), "id": known, "schema": schema}
        return 404, {"error_code": 40401, "message": "Subject not found."}

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
