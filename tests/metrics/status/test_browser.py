"""The status page in a real browser: readable at any width and colour, by keyboard and screen reader, with and without data."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.metrics import catalogue as m
from ingest.recent_warnings import RECENT, Warned
from tests.metrics.status.loaded_node import LoadedNode
from tests.services import javascript
from tests.services.browser import Browser

pytestmark = pytest.mark.services

STATE = "document.getElementById('state')?.textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as made:
        yield made


@pytest.fixture(scope="module")
def axe() -> str:
    return (javascript.ensure() / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def services() -> Iterator[list[LoadedNode]]:
    made: list[LoadedNode] = []
    yield made
    for one in made:
        one.close()


def faults(browser: Browser, axe: str, *rules: str) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practices, or against these rules alone."""
    if not browser.evaluate("typeof axe === 'object'"):
        browser.evaluate(f"{axe}; 0")
    only = f", runOnly: {list(rules)}" if rules else ""
    found: dict[str, Any] = browser.evaluate(f"axe.run({{resultTypes: ['violations']{only}}})")
    return [f"{one['id']}: {[node['html'] for node in one['nodes']][:3]}" for one in found["violations"]]


def test_every_width_and_colour_is_readable_and_accessible(
    browser: Browser, axe: str, services: list[LoadedNode], tmp_path: Path
) -> None:
    service = LoadedNode(partitions=12, workers=2)
    services.append(service)
    service.unready = [f"source {number}: Kafka is away" for number in range(12)] + ["sink 0: hub: server-busy"]
    told = "Kafka <b>kafka1.example:9092</b> is away: connection refused; it is tried again" + " and again" * 20
    RECENT.extend([Warned(time.time(), "warning", f"source-{number}", told, 12) for number in range(3)])
    nodes = [{"node": f"edge{number}", "url": f"http://edge{number}:9464", "partitions": ["1"]} for number in (1, 2)]
    service.about = replace(service.about, cluster={"members": 2, "nodes": nodes})
    service.exposition._recorder.sample()
    browser.open(service.url)
    browser.until(f"{STATE} === 'not ready'")
    for width in (390, 1280):
        for dark in (False, True):
            browser.look(width=width, dark=dark)
            browser.picture(tmp_path / f"{width}-{'dark' if dark else 'light'}.png")
            # Colours are all that changes in the dark.
            assert faults(browser, axe, *["color-contrast"] * dark) == [], (width, dark)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width, "nothing hangs over the edge"
    text = browser.evaluate("document.body.innerText")
    for words in (
        "plant-east",
        "iotin",
        "Kafka: records wait",
        "1.66/s allowed",
        "too large",
        "12 times",
        "Kafka <b>kafka1.example:9092</b> is away",
        "edge2 at edge2:9464: 1 partition, 1",
        "and 4 more: Kafka is away",
    ):
        assert words in text
    assert browser.said == [], "no fault, and nothing that the policy forbids"


def test_a_node_without_data_says_so(browser: Browser, axe: str, services: list[LoadedNode], tmp_path: Path) -> None:
    service = LoadedNode()
    services.append(service)
    service.unready = ["starting"]
    browser.open(service.url, width=390)
    browser.until(f"{STATE} === 'starting' || {STATE} === 'ready'")
    browser.picture(tmp_path / "empty.png")
    text = browser.evaluate("document.body.innerText")
    assert "Nothing runs yet." in text
    assert "Partitions" not in text
    assert "Sink processes" not in text
    assert faults(browser, axe) == []
    assert browser.said == []


def test_256_partitions_are_a_short_table_the_worst_first(browser: Browser, services: list[LoadedNode]) -> None:
    service = LoadedNode(partitions=256)
    services.append(service)
    service.registry.set(m.SOURCE_LAG_EVENTS, 5000, "200")
    service.exposition._recorder.sample()
    browser.open(service.url)
    rows = "[...document.querySelectorAll('#partition-table tbody tr')]"
    browser.until(f"{rows}.length === 32")
    assert browser.evaluate(f"{rows}[0].cells[0].textContent") == "200"
    assert "256 partitions, 32 of them shown" in browser.evaluate("document.querySelector('caption').textContent")
    # Another answer changes text, and makes nothing new.
    browser.evaluate(
        "window.made = 0; new MutationObserver(all => all.forEach(one => { made += [...one.addedNodes]"
        ".filter(node => node.nodeType === 1).length; }))"
        ".observe(document.querySelector('main'), {childList: true, subtree: true})"
    )
    service.registry.set(m.SOURCE_LAG_EVENTS, 9999, "7")
    service.exposition._recorder.sample()
    browser.evaluate("ask()")
    browser.until(f"{rows}[0].cells[0].textContent === '7'")
    assert browser.evaluate("made") <= 60
    browser.evaluate("document.getElementById('partition-all').click()")
    assert browser.evaluate(f"{rows}.length") == 256


def test_the_keyboard_sorts_and_sees_where_it_is(browser: Browser, services: list[LoadedNode]) -> None:
    service = LoadedNode(partitions=4)
    services.append(service)
    browser.open(service.url)
    browser.until(f"{STATE} === 'ready'")
    for _ in range(10):
        browser.press("Tab")
        if browser.evaluate("document.activeElement.textContent") == "lag":
            break
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    header = "document.activeElement.closest('th')"
    assert browser.evaluate(f"{header}.getAttribute('aria-sort')") == "descending"
    shown = "[...document.querySelectorAll('#partition-table tbody tr')].map(row => row.cells[0].textContent)"
    assert browser.evaluate(shown) == ["2", "1", "3", "0"]
    browser.press("Enter")
    assert browser.evaluate(f"{header}.getAttribute('aria-sort')") == "ascending"


def test_a_service_that_stops_goes_and_comes_back_is_said(browser: Browser, services: list[LoadedNode]) -> None:
    service = LoadedNode(partitions=2)
    services.append(service)
    browser.open(service.url)
    browser.until(f"{STATE} === 'ready'")
    service.about = replace(service.about, stopping=True)
    service.exposition._recorder.sample()
    browser.evaluate("ask()")
    browser.until(f"{STATE}?.startsWith('stopping')")
    service.close()
    browser.evaluate("ask()")
    browser.until(f"{STATE}?.startsWith('no answer')")
    browser.until("document.getElementById('seen').textContent.startsWith('last seen ')")
    assert "iotin" in browser.evaluate("document.body.innerText"), "what was known stays in view"
    services.append(LoadedNode(partitions=2, port=service.port))
    browser.evaluate("ask()")
    browser.until(f"{STATE} === 'ready'")
