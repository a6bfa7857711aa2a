"""Asks metrics ports for what `ingest status` shows: one node's, or those of several nodes side by side."""

import http.client
import json
import time
import urllib.error
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from ingest.address import parts_of
from ingest.cli.status.bounded_http import get
from ingest.errors import Unreachable
from ingest.metrics.hosts import is_loopback
from ingest.metrics.status.rows import Look, read
from ingest.printable import printable

HTTP_SECONDS: Final = 5.0
"""For a connection, and for the whole of an answer."""
LARGEST_PAGE: Final = 32 << 20
"""Bytes; 32 partitions have about 100 KB."""
NOT_READY: Final = 503
MOST_NODES: Final = 1_000
_AT_ONCE: Final = 16


class Looking:
    """Call it for a look at the page. Raises Unreachable, with the reason, if there is none."""

    def __init__(self, url: str) -> None:
        """`url` as given by the user: of the port, or of its /metrics."""
        self._url = url.rstrip("/").removesuffix("/metrics").removesuffix("/status.json")

    @property
    def name(self) -> str:
        """`host:port`, and the path if there is one."""
        parts = urlsplit(self._url)
        return printable(f"{parts.netloc.rpartition('@')[2]}{parts.path}")

    @property
    def _shown(self) -> str:
        return printable(self._url)

    def __call__(self) -> Look:
        page = self._get("/metrics")
        at, unix = time.monotonic(), time.time()
        try:
            look = read(page, at=at, unix=unix, unready=self._get("/readyz", allowed=NOT_READY).splitlines())
        except ValueError:
            look = None
        if look is None or not look.series:
            raise Unreachable(f"{self._shown} answers, but not with ingest's metrics: check --url")
        return look

    def nodes(self) -> list[str]:
        """Returns the addresses of all nodes of its cluster. Raises Unreachable if it does not name any, or one that
        cannot be reached from here."""
        try:
            found: Any = json.loads(self._get("/status.json"))
            named = [(str(node["node"]), str(node["url"])) for node in found["cluster"]["nodes"]]
        except (ValueError, LookupError, TypeError, RecursionError):
            named = []
        nodes = [(machine, url) for machine, url in named if _is_address(url)]
        if len(nodes) > MOST_NODES:
            raise Unreachable(f"{self._shown} names {len(nodes)} nodes, more than any cluster has: check --url")
        if not nodes:
            raise Unreachable(f"{self._shown} names no other nodes: name each one with --url")
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
            status, body = get(f"{self._url}{path}", HTTP_SECONDS, LARGEST_PAGE)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            words = getattr(why, "strerror", None) or printable(" ".join(str(why).split())) or type(why).__name__
            raise Unreachable(
                f"no answer from {self._shown} ({words}): start ingest, or name its [metrics] host and port with --url"
            ) from None
        return body.decode("utf-8", "replace") if status == allowed else ""


class Everyone:
    """Call it for the nodes of a cluster as it is now, by the word of the first node that answers: one of those given, or
    of those that were named before. Raises Unreachable if none has ever named them."""

    def __init__(self, given: Sequence[Looking]) -> None:
        self._given = given
        self._known: list[Looking] = []

    def __call__(self) -> list[Looking]:
        reasons = []
        for node in (*self._given, *self._known):
            try:
                self._known = [Looking(url) for url in node.nodes()]
                return self._known
            except Unreachable as error:
                reasons.append(str(error))
        if not self._known:
            raise Unreachable("; ".join(reasons))
        return self._known


def look_at(nodes: Sequence[Looking]) -> dict[str, Look | str]:
    """Returns for each node a look, or why there is none. They are asked side by side: one that hangs costs its time-out,
    and not those of all."""
    with ThreadPoolExecutor(min(_AT_ONCE, len(nodes)), "look") as threads:
        return dict(zip((node.name for node in nodes), threads.map(_look, nodes), strict=True))


def _look(node: Looking) -> Look | str:
    try:
        return node()
    except Unreachable as error:
        return str(error)


def _is_address(url: str) -> bool:
    """Whether it is one of a metrics port: other programs can write into the group, too."""
    return parts_of(url, "http", "https") is not None and printable(url) == url
