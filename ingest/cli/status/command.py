"""`ingest status`: shows what a running ingest does, from its metrics port."""

import argparse
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Final, NoReturn
from urllib.parse import urlsplit

from ingest.cli.options import positive_number
from ingest.cli.status import table
from ingest.cli.status.rows import Look, Status, read, status
from ingest.errors import EXIT_OK, Unreachable

URL: Final = "http://127.0.0.1:9464"
RATE_SECONDS: Final = 10.0
"""Rates in the live table are averages over about this time."""
HTTP_SECONDS: Final = 5.0
LARGEST_PAGE: Final = 32 << 20
"""Bytes; 32 partitions have about 100 KB."""
NOT_READY: Final = 503


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--url", type=_url, default=URL, help=f"where [metrics] host and port are (default: {URL})")
    add("--interval", type=positive_number, default=2.0, metavar="S", help="seconds between two looks (default: 2)")
    add("--once", action="store_true", help="once, after one interval for the rates")
    add("--json", action="store_true", dest="as_json", help="one JSON object a line")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {URL}")
    return text


def run(url: str, *, interval: float, once: bool, as_json: bool) -> int:
    """Shows the status every `interval` seconds until Ctrl-C, or once. Raises Unreachable if the port is silent."""
    look = Looking(url)
    first = look()
    if once or (not as_json and not sys.stdout.isatty()):
        # The rate is the change of a counter, so it takes two looks.
        time.sleep(interval)
        _print(status(look(), first), as_json=as_json)
        return EXIT_OK
    try:
        # Not Event.wait: Ctrl-C in it can cause RuntimeError, "release unlocked lock" (CPython's Condition.wait).
        if as_json:
            _follow_as_json(look, first, lambda: time.sleep(interval))
        _follow(look, first, lambda: time.sleep(interval))
    except KeyboardInterrupt:
        return EXIT_OK


class Looking:
    """Call it for a look at the page. Raises Unreachable, with the reason, if there is none."""

    def __init__(self, url: str) -> None:
        """`url` as given by the user: of the port, or of its /metrics."""
        self._url = url.rstrip("/").removesuffix("/metrics")
        # The port is on this machine or nearby: a proxy from the environment does not lead there.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

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


def _text(answer: http.client.HTTPResponse | urllib.error.HTTPError) -> str:
    return answer.read(LARGEST_PAGE).decode("utf-8", "replace")


def _print(shown: Status, *, as_json: bool) -> None:
    if as_json:
        _print_json(shown)
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(table.as_rich(shown))
    else:
        print("\n".join(table.as_lines(shown)))


def _print_json(shown: Status) -> None:
    print(json.dumps(table.as_json(shown)), flush=True)


def _follow_as_json(look: Looking, before: Look, wait: Callable[[], object]) -> NoReturn:
    while True:
        wait()
        now = look()
        _print_json(status(now, before))
        before = now


def _follow(look: Looking, first: Look, wait: Callable[[], object]) -> NoReturn:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    past = deque([first])
    with Live(table.as_rich(status(first, first)), console=Console(), auto_refresh=False) as live:
        while True:
            wait()
            trouble = ""
            try:
                past.append(look())
            except Unreachable as error:
                # A service can restart, so keep waiting, and keep showing the last status.
                trouble = str(error)
            while len(past) > 2 and past[-1].at - past[1].at >= RATE_SECONDS:
                past.popleft()
            shown = table.as_rich(status(past[-1], past[0]))
            live.update(Group(shown, Text(trouble, "red")) if trouble else shown, refresh=True)
