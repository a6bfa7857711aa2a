"""Azurite, Microsoft's blob store for tests, with an account of its own on a free port."""

import base64
import secrets
from types import TracebackType
from typing import Self

from ingest.emulator.certificate import Certificate
from tests.services import javascript
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

_START_SECONDS = 60
_ACCOUNT = "ingesttests"


class Azurite:
    """One blob store, on loopback unless `host` says otherwise. Port, account and key survive `kill` and `restart`; blobs do
    with `keep_data`."""

    def __init__(
        self, *, keep_data: bool = False, certificate: Certificate | None = None, host: str = "127.0.0.1"
    ) -> None:
        """`certificate`: it is spoken to over TLS, and takes the tokens of identities, too."""
        self._keep_data = keep_data
        self._certificate = certificate
        self._port = ReservedPort(host)
        self._key = base64.b64encode(secrets.token_bytes(32)).decode()
        self._guard: Guard | None = None
        self._process: ServiceProcess | None = None

    @property
    def connection_string(self) -> str:
        return self.connection_string_through(self.address)

    @property
    def account_url(self) -> str:
        """For an identity: with a certificate for localhost."""
        return f"https://localhost:{self._port.number}/{_ACCOUNT}"

    @property
    def address(self) -> str:
        """`host:port`."""
        return self._port.address

    def connection_string_through(self, address: str) -> str:
        """The same account through a proxy at `host:port`: a Shared Key signature does not cover the host."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={self._key};"
            f"BlobEndpoint=http://{address}/{_ACCOUNT};"
        )

    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Start the store and return when it answers. Raises ServiceError."""
        script = javascript.ensure() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        self._guard = Guard("azurite")
        place = ["--location", str(self._guard.folder / "data")] if self._keep_data else ["--inMemoryPersistence"]
        command = [*javascript.node_command(), str(script), "--blobHost", self._port.host]
        command += ["--blobPort", str(self._port.number), *place]
        command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        if self._certificate is not None:
            files = self._certificate
            command += ["--oauth", "basic", "--cert", str(files.cert_file), "--key", str(files.key_file)]
        # In the environment, as a process's arguments can be read by every user.
        accounts = {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{self._key}"}
        self._process = ServiceProcess("Azurite", command, self._guard, accounts)
        self._start_and_wait()

    def poll(self) -> int | None:
        """None while the store runs; else its exit status."""
        return self._running().poll()

    def kill(self) -> None:
        """SIGKILL, and wait for the end; clients get "connection refused" from then on."""
        self._running().terminate()
        self._running().join(30)

    def restart(self) -> None:
        """Start again on the same port. A store that runs is stopped first."""
        self._running().close()
        self._running().join(30)
        self._start_and_wait()

    def pause(self) -> None:
        """SIGSTOP: connections are accepted, and nothing is answered."""
        self._running().pause()

    def resume(self) -> None:
        self._running().resume()

    def close(self) -> None:
        """Ask the store to stop."""
        if self._process is not None:
            self._process.close()

    def terminate(self) -> None:
        """Kill the store now."""
        if self._process is not None:
            self._process.terminate()

    def join(self, seconds: float = 30) -> None:
        """Wait for the end, kill the store if it lasts longer than `seconds`, and remove the data. Final."""
        if self._process is not None:
            self._process.join(seconds)
        if self._guard is not None:
            self._guard.close()
        self._port.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.terminate()
        self.join()

    def _start_and_wait(self) -> None:
        process = self._running()
        process.start()
        process.wait_until(self._port.answers, _START_SECONDS)

    def _running(self) -> ServiceProcess:
        assert self._process is not None, "start() comes first"
        return self._process
