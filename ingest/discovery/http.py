"""GET requests of JSON with a user and password: bounded in time and size, TLS verified, no redirect followed."""

import base64
import json
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

from ingest.config import Secret
from ingest.errors import Refused, Unreachable
from ingest.timing import Deadline

SECONDS: Final = 15.0
"""Time-out of a connection, of each part of an answer, and of the whole answer."""
MOST_BYTES: Final = 4 << 20
_PART_BYTES: Final = 1 << 16


class Answer(NamedTuple):
    status: int
    body: object
    """Parsed; the text if it is not JSON."""
    challenge: str
    """The header WWW-Authenticate."""
    location: str = ""


class JsonClient:
    """Asks one server. `ca_file`: authorities besides the usual ones."""

    def __init__(
        self, base: str, user: str, password: Secret, *, ca_file: Path | None, seconds: float = SECONDS
    ) -> None:
        context = ssl.create_default_context()
        if ca_file is not None:
            try:
                context.load_verify_locations(ca_file)
            except (OSError, ssl.SSLError) as error:
                raise Refused(
                    f"--ca-file {ca_file} cannot be used ({error}): give a file with certificates in PEM."
                ) from None
        self._base = base
        self._seconds = seconds
        # Without the handlers for errors and redirects every answer is returned, and the password follows no redirect.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
        ):
            self._opener.add_handler(handler)
        login = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {login}",
            "X-Requested-By": "ingest",
        }

    def get(self, path: str) -> Answer:
        """Raises Unreachable, or Refused if the certificate is not trusted or the answer is too large."""
        request = urllib.request.Request(self._base + path, headers=self._headers)  # noqa: S310 - only http and https
        try:
            with self._opener.open(request, timeout=self._seconds) as response:
                body = self._read(response)
                headers = response.headers
                status = int(response.status)
        except urllib.error.URLError as error:
            self._failed(error.reason)
        except (OSError, HTTPException) as error:
            self._failed(error)
        text = body.decode("utf-8", "replace")
        parsed: object = text
        with suppress(ValueError, RecursionError):
            parsed = json.loads(text)
        return Answer(status, parsed, headers.get("WWW-Authenticate", ""), headers.get("Location", ""))

    def _read(self, response: HTTPResponse) -> bytes:
        """Returns the whole body within the time-out: the socket's own time-out starts again with each byte."""
        deadline = Deadline(self._seconds)
        body = bytearray()
        while part := response.read1(_PART_BYTES):
            body += part
            if len(body) > MOST_BYTES:
                raise Refused(
                    f"{self._base} answers with more than {MOST_BYTES} bytes: this is not what was asked for."
                )
            if deadline.expired:
                raise TimeoutError
        return bytes(body)

    def _failed(self, reason: object) -> NoReturn:
        host = urlsplit(self._base).netloc
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Refused(
                f"the certificate of {host} is not trusted ({reason.verify_message}): give its authority with --ca-file."
            ) from None
        if isinstance(reason, ssl.SSLError):
            raise Unreachable(f"{host} speaks no TLS that fits ({reason.reason}): is it http:// there?") from None
        if isinstance(reason, TimeoutError):
            raise Unreachable(f"{host} has not answered within {self._seconds:g} s: check host and port.") from None
        if isinstance(reason, socket.gaierror):
            raise Unreachable(f"there is no host {host} ({reason.strerror}): check the name in --url.") from None
        if isinstance(reason, ConnectionRefusedError):
            raise Unreachable(f"nothing listens at {host}: check the port in --url (Ambari's own is 8080).") from None
        raise Unreachable(f"{host} cannot be asked ({reason}): check --url.") from None
