"""A real browser without a window: Debian's Chromium, driven through its DevTools protocol."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websocket import WebSocket

from tests.services import ServiceError, prerequisites
from tests.services.guard import Guard
from tests.services.process import ServiceProcess

START_SECONDS = 60.0
ANSWER_SECONDS = 60.0


class Browser:
    """One Chromium with one page at a time. Raises ServiceError where it cannot be had."""

    def __init__(self) -> None:
        program = prerequisites.chromium()
        self._guard = Guard("chromium")
        folder = self._guard.folder
        command = [
            program,
            "--headless=new",
            "--no-sandbox",  # which it refuses to root, and has not in many containers; it loads pages of ours alone
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
            "about:blank",
        ]
        self._process = ServiceProcess("Chromium", command, self._guard, {"HOME": str(folder)})
        self._socket = WebSocket()
        self._next = 0
        self._session: str | None = None
        self._target: str | None = None
        self.said: list[str] = []
        """What the page, or the browser about it, has written to the console: a broken policy, too."""

    def __enter__(self) -> Self:
        self._process.start()
        told = self._guard.folder / "DevToolsActivePort"
        self._process.wait_until(lambda: told.exists() and told.read_text().count("\n") >= 1, START_SECONDS)
        port, path = told.read_text().split("\n")[:2]
        # The browser refuses most origins, and a client without one is no web page.
        self._socket.connect(f"ws://127.0.0.1:{port}{path}", timeout=ANSWER_SECONDS, suppress_origin=True)  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.join(30)
        self._guard.close()

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Opens a new page in place of the last one."""
        if self._target is not None:
            self.call("Target.closeTarget", targetId=self._target)
        self._session = None
        self.said = []
        self._target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.look(width=width, height=height, dark=dark)
        self.call("Page.navigate", url=url)

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Changes the window's size and colours."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def evaluate(self, script: str) -> Any:
        """Returns what an expression of JavaScript gives, a promise's result, too."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise AssertionError(json.dumps(done["exceptionDetails"])[:2000])
        return done["result"].get("value")

    def until(self, script: str, seconds: float = 60.0, reached: Callable[[Any], bool] = bool) -> Any:
        """Waits until the expression is so, and returns it."""
        end = time.monotonic() + seconds
        while not reached(found := self.evaluate(script)):
            assert time.monotonic() < end, f"{script} stays {found!r}; the console has {self.said}"
            time.sleep(0.05)
        return found

    def press(self, key: str) -> None:
        """Presses a key, such as `Tab` or `Enter`."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    def picture(self, path: Path) -> None:
        """Writes the whole page, also what is below the window's edge, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol. Raises ServiceError if the browser refuses it."""
        self._next += 1
        number = self._next
        session = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **session}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise ServiceError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded":
                self.said.append(f"{parameters['entry']['level']}: {parameters['entry']['text']}")
            case "Runtime.consoleAPICalled":
                self.said.append(f"{parameters['type']}: {[each.get('value') for each in parameters['args']]}")
            case "Runtime.exceptionThrown":
                self.said.append(f"exception: {json.dumps(parameters['exceptionDetails'])[:500]}")
