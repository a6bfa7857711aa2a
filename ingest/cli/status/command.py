"""`ingest status`: shows what a running ingest does, from its metrics port."""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ingest.address import parts_of
from ingest.cli.options import positive_number
from ingest.cli.status import table
from ingest.cli.status.looking import Everyone, Looking, look_at
from ingest.errors import EXIT_OK, EXIT_UNAVAILABLE, Unreachable
from ingest.metrics.status.rows import Look, Status, status

if TYPE_CHECKING:
    from rich.console import RenderableType

URL: Final = "http://127.0.0.1:9464"
RATE_SECONDS: Final = 10.0
"""Rates in the live table are averages over about this time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add(
        "--url",
        type=_url,
        action="append",
        dest="urls",
        metavar="URL",
        help=f"where [metrics] host and port are (default: {URL}); once for each node, to see several",
    )
    add("--all", action="store_true", dest="everyone", help="every node of the cluster, as the one at --url names them")
    add("--interval", type=positive_number, default=2.0, metavar="S", help="seconds between two looks (default: 2)")
    add("--once", action="store_true", help="once, after one interval for the rates")
    add("--json", action="store_true", dest="as_json", help="one JSON object a line")


def _url(text: str) -> str:
    if "@" in text:
        raise argparse.ArgumentTypeError(f"it has a user, and the port asks for none: write it like {URL}")
    if parts_of(text, "http", "https") is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {URL}")
    return text


def run(urls: Sequence[str] | None, *, everyone: bool, interval: float, once: bool, as_json: bool) -> int:
    """Shows the status every `interval` seconds until Ctrl-C, or once. Raises Unreachable if the port is silent, or the
    ports of all nodes are. Returns 69 if only some of them are."""
    nodes = [Looking(url) for url in urls or [URL]]
    if everyone:
        view: One | Several = Several(Everyone(nodes))
    else:
        view = One(nodes[0]) if len(nodes) == 1 else Several(lambda: nodes)
    if once or (not as_json and not sys.stdout.isatty()):
        # The rate is the change of a counter, so it takes two looks.
        time.sleep(interval)
        view.look()
        _print(view, as_json=as_json)
        return view.exit_code
    try:
        # Not Event.wait: Ctrl-C in it can cause RuntimeError, "release unlocked lock" (CPython's Condition.wait).
        if as_json:
            _follow_as_json(view, lambda: time.sleep(interval))
        _follow(view, lambda: time.sleep(interval))
    except KeyboardInterrupt:
        return EXIT_OK


class One:
    """One node. Raises Unreachable, as every `look` does, if it is silent."""

    def __init__(self, node: Looking) -> None:
        self._node = node
        self._past = Past(node())
        self.exit_code = EXIT_OK

    def look(self, seconds: float = 0.0) -> None:
        """Looks again. Rates are then over at least `seconds`, if there are older looks, or since the look before."""
        self._past.add(self._node(), seconds)

    def lines(self) -> list[str]:
        return table.as_lines(self._past.status)

    def rich(self) -> "RenderableType":
        return table.as_rich(self._past.status)

    def json(self) -> dict[str, Any]:
        return table.as_json(self._past.status)


class Several:
    """Several nodes. Raises Unreachable, as every `look` does, if all are silent."""

    def __init__(self, nodes: Callable[[], Sequence[Looking]]) -> None:
        """`nodes` is asked at every look: they come and go."""
        self._nodes = nodes
        self._pasts: dict[str, Past] = {}
        self._shown: dict[str, Status | str] = {}
        self.look()

    @property
    def exit_code(self) -> int:
        """69 if a node was silent at the last look."""
        return EXIT_UNAVAILABLE if any(isinstance(found, str) for found in self._shown.values()) else EXIT_OK

    def look(self, seconds: float = 0.0) -> None:
        """As that of `One`."""
        looks = look_at(self._nodes())
        if all(isinstance(found, str) for found in looks.values()):
            raise Unreachable("; ".join(map(str, looks.values())))
        self._shown = {}
        for node, found in looks.items():
            if isinstance(found, str):
                self._shown[node] = found
            else:
                past = self._pasts.setdefault(node, Past(found))
                past.add(found, seconds)
                self._shown[node] = past.status

    def lines(self) -> list[str]:
        return table.nodes_as_lines(self._shown)

    def rich(self) -> "RenderableType":
        return table.nodes_as_rich(self._shown)

    def json(self) -> dict[str, Any]:
        return table.nodes_as_json(self._shown)


class Past:
    """The looks at one node that rates are made of."""

    def __init__(self, first: Look) -> None:
        self._looks = deque([first])

    def add(self, look: Look, seconds: float) -> None:
        self._looks.append(look)
        while len(self._looks) > 2 and self._looks[-1].at - self._looks[1].at >= seconds:
            self._looks.popleft()

    @property
    def status(self) -> Status:
        return status(self._looks[-1], self._looks[0])


def _print(view: One | Several, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(view.json()), flush=True)
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(view.rich())
    else:
        print("\n".join(view.lines()))


def _follow_as_json(view: One | Several, wait: Callable[[], object]) -> NoReturn:
    while True:
        wait()
        view.look()
        _print(view, as_json=True)


def _follow(view: One | Several, wait: Callable[[], object]) -> NoReturn:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    with Live(view.rich(), console=Console(), auto_refresh=False) as live:
        while True:
            wait()
            trouble = ""
            try:
                view.look(RATE_SECONDS)
            except Unreachable as error:
                # A service can restart, so keep waiting, and keep showing the last status.
                trouble = str(error)
            shown = view.rich()
            live.update(Group(shown, Text(trouble, "red")) if trouble else shown, refresh=True)
