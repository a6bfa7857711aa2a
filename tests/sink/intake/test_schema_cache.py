"""Schemas that come late, not at all, or not yet."""

import threading
from collections.abc import Callable

import pytest

from ingest.config import SchemaRegistry
from ingest.errors import Refused, Undeliverable, Unreachable
from ingest.sink.commands.formats.schemas import SchemaMissing
from ingest.sink.intake import schema_cache
from ingest.sink.intake.schema_cache import UNKNOWN_SECONDS, InOrder, SchemaCache, registry_schemas
from ingest.timing import Backoff, Deadline
from tests.kafka.toy_registry import ToyRegistry

PATIENCE = 30.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def soon(cache: SchemaCache, number: int) -> object:
    """The schema, once it is here."""
    deadline, pause = Deadline(PATIENCE), threading.Event()
    while not deadline.expired:
        try:
            return cache.get(number)
        except SchemaMissing:
            pause.wait(0.001)
    pytest.fail(f"schema {number} has not come: {cache.trouble}")


def until(reached: Callable[[], bool]) -> None:
    deadline, pause = Deadline(PATIENCE), threading.Event()
    while not reached():
        assert not deadline.expired
        pause.wait(0.001)


def waits(cache: SchemaCache) -> bool:
    try:
        cache.get(7)
    except SchemaMissing:
        return cache.trouble is not None
    return False


def test_a_schema_is_asked_for_once() -> None:
    asked: list[int] = []

    def fetch(number: int) -> str:
        asked.append(number)
        return '"string"'

    cache = SchemaCache(fetch)
    with pytest.raises(SchemaMissing, match="schema 7"):
        cache.get(7)
    assert soon(cache, 7) == "string"
    assert (cache.get(7), asked) == ("string", [7])


def test_an_outage_is_waited_out_and_told() -> None:
    clock, answers = Clock(), iter([Unreachable("it is down."), Refused("wrong password"), OSError("no route")])

    def fetch(number: int) -> str:
        for error in answers:
            raise error
        return '"string"'

    cache = SchemaCache(fetch, backoff=Backoff(1.0, 1.0), clock=clock)
    for trouble in ("it is down.", "wrong password", "the schema registry cannot be asked (OSError: no route)"):
        until(lambda: waits(cache) and cache.trouble == trouble)  # noqa: B023
        clock.now += 2.0
    assert soon(cache, 7) == "string"
    assert cache.trouble is None


def test_what_the_registry_does_not_know_is_asked_for_again_later() -> None:
    clock, known = Clock(), {7: "[" * 3}
    cache = SchemaCache(lambda number: known[number], clock=clock)
    for _ in range(2):
        with pytest.raises(Undeliverable, match="schema 7, which cannot be used: it is not JSON") as caught:
            soon(cache, 7)
        assert caught.value.reason == "unknown_schema"
    known[7] = '"string"'
    with pytest.raises(Undeliverable):
        cache.get(7)
    clock.now += UNKNOWN_SECONDS + 1
    assert soon(cache, 7) == "string"


def test_numbers_that_are_made_up_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_cache, "MOST", 3)
    cache = SchemaCache(lambda number: '"string"' if number % 2 else "?")
    for number in range(20):
        if number % 2:
            soon(cache, number)
        else:
            with pytest.raises(Undeliverable):
                soon(cache, number)
        assert len(cache._known) <= 3
        assert len(cache._refused) <= 3


def test_the_registry_of_a_configuration() -> None:
    assert registry_schemas(SchemaRegistry()) is None
    with ToyRegistry() as registry:
        registry.versions["x"] = [(7, '"string"')]
        cache = registry_schemas(SchemaRegistry(url=registry.url))
        assert cache is not None
        assert soon(cache, 7) == "string"
        with pytest.raises(Undeliverable, match=r"schema 8, which cannot be used: .* does not know it") as caught:
            soon(cache, 8)
        assert caught.value.reason == "unknown_schema"


def test_all_wait_behind_the_first() -> None:
    missing, taken = {1}, list[int]()

    def take(item: int) -> None:
        if item in missing:
            raise SchemaMissing("not here")
        taken.append(item)

    waiting = InOrder(take)
    waiting.take([0, 1, 2])
    waiting.take([3])
    assert (taken, len(waiting)) == ([0], 3)
    waiting.drop(lambda item: item == 2)
    missing.clear()
    waiting.take([4])
    assert (taken, len(waiting)) == ([0, 1, 3, 4], 0)
