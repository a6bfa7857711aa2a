"""The recorded answers of Ambari on a port of loopback."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.discovery.test_ambari import bodies

_REFUSED = {"status": 403, "message": "Unable to sign in. Invalid username/password combination."}
"""As in tests/vectors/ambari.json."""


@contextmanager
def toy_ambari(password: str | None = None) -> Iterator[str]:
    """Gives its URL. `password` of the user admin; None takes any."""
    wanted = None if password is None else "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = wanted not in (None, self.headers["Authorization"])
            answer: Any = _REFUSED if refused else bodies()[self.path]
            body = json.dumps(answer).encode()
            self.send_response(403 if refused else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # so that the end waits for them

        def handle_error(self, *_: object) -> None:
            """Says nothing of clients that hang up, as one does that speaks TLS."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
