"""Asks metrics ports for what `ingest status` shows: one node's, or those of several nodes side by side."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from ingest.errors import Unreachable
from ingest.metrics.hosts import is_loopback
from ingest.metrics.status.rows import Look, read
from ingest.printable import printable

HTTP_SECONDS: Final = 5.0
LARGEST_PAGE: Final = 32 << 20
"""Bytes; 32 partitions have about 100 KB."""
NOT_READY: Final = 503
_AT_ONCE: Final = 16


class Looking:
    """Call it for a look at the page. Raises Unreachable, with the reason, if there is none."""

    def __init__(self, url: str) -> None:
        """`url` as given by the user: of the port, or of its /metrics."""
        self._url = url.rstrip("/").removesuffix("/metrics").removesuffix("/status.json")
        # The port is on this machine or nearby: a proxy from the environment does not lead there.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def name(self) -> str:
        """`host:port`, and the path if there is one."""
        parts = urlsplit(self._url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"

    def __call__(self) -> Look:
        page = self._get("/metrics")
        at, unix = time.monotonic(), time.time()
        try:
            look = read(page, at=at, unix=unix, unready=self._get("/readyz", allowed=NOT_READY).splitlines())
        except ValueError:
            look = None
        if look is None or not look.series:
            raise Unreachable(f"{self._url} answers, but not with ingest's metrics: check --url")
        return look

    def nodes(self) -> list[str]:
        """Returns the addresses of all nodes of its cluster. Raises Unreachable if it does not name any, or one that
        cannot be reached from here."""
        try:
            found: Any = json.loads(self._get("/status.json"))
            nodes = [(str(node["node"]), str(node["url"])) for node in found["cluster"]["nodes"]]
        except (ValueError, LookupError, TypeError):
            nodes = []
        # An opener reads files, too.
        nodes = [(machine, url) for machine, url in nodes if url.startswith(("http://", "https://"))]
        if not nodes:
            raise Unreachable(f"{self._url} names no other nodes: name each one with --url")
        away = not is_loopback(urlsplit(self._url).hostname or "")
        machines = {machine for machine, _ in nodes}
        for machine, url in nodes:
            if is_loopback(urlsplit(url).hostname or "") and (away or len(machines) > 1):
                raise Unreachable(
                    f"{printable(machine)} serves its metrics at {printable(url)}, which only it reaches: set metrics.host "
                    "there, or name each node with --url"
                )
        return [url for _, url in nodes]

    def _get(self, path: str, allowed: int = 200) -> str:
        """Returns the text of the path; "" unless the answer's status is `allowed`."""
        try:
            with self._opener.open(f"{self._url}{path}", timeout=HTTP_SECONDS) as answer:
                return _text(answer) if allowed == answer.status else ""
        except urllib.error.HTTPError as error:
            with error:
                return _text(error) if allowed == error.code else ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            words = getattr(why, "strerror", None) or " ".join(str(why).split()) or type(why).__name__
            raise Unreachable(
                f"no answer from {self._url} ({words}): start ingest, or name its [metrics] host and port with --url"
            ) from None


class SeveralLooking:
    """Call it for a look at every node, asked side by side: a node that hangs holds up the others for its time-out alone."""

    def __init__(self, nodes: Sequence[Looking]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._threads = ThreadPoolExecutor(min(_AT_ONCE, len(self._nodes)), "look")

    def __call__(self) -> dict[str, Look | str]:
        """Returns for each node a look, or why there is none."""
        return dict(zip(self._nodes, self._threads.map(_look, self._nodes.values()), strict=True))


def _look(node: Looking) -> Look | str:
    try:
        return node()
    except Unreachable as error:
        return str(error)


def _text(answer: http.client.HTTPResponse | urllib.error.HTTPError) -> str:
    return answer.read(LARGEST_PAGE).decode("utf-8", "replace")
