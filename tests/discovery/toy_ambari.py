"""The recorded answers of Ambari on a port of loopback."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.discovery.test_ambari import bodies
from tests.services.http_server import Handler, HttpServer

_REFUSED = {"status": 403, "message": "Unable to sign in. Invalid username/password combination."}
"""As in tests/vectors/ambari.json."""


@contextmanager
def toy_ambari(password: str | None = None) -> Iterator[str]:
    """Gives its URL. `password` of the user admin; None takes any."""
    wanted = None if password is None else "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()

    class Ambari(Handler):
        def serve(self) -> None:
            refused = wanted not in (None, self.headers["Authorization"])
            answer: Any = _REFUSED if refused else bodies()[self.path]
            self.answer(403 if refused else 200, json.dumps(answer).encode())

    with HttpServer(Ambari) as server:
        yield server.url
