"""Schemas by number, fetched outside the loop: a record whose schema is not here waits, and nothing else is delayed."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from ingest.config import SchemaRegistry
from ingest.errors import IngestError, Undeliverable, Unreachable
from ingest.logs import Repeated, and_more
from ingest.sink.commands.formats.avro_reader import BadSchema, prepared
from ingest.sink.commands.formats.schemas import SchemaMissing
from ingest.timing import Backoff

MOST: Final = 1_000
"""The most schemas kept; a topic has a few, and made-up numbers must not fill the memory."""
UNKNOWN_SECONDS: Final = 30.0
"""After this time a number unknown to the registry is asked for again: perhaps one of its nodes did not have it yet."""
_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)


class SchemaCache:
    """`get`, on one thread; `trouble` says why a schema does not come.

    `fetch` returns the text of the schema with a number; raises Undeliverable if the registry has none, and another
    IngestError if it cannot be asked. It is called on a separate thread, for one number at a time.
    """

    def __init__(
        self,
        fetch: Callable[[int], str],
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: str | None = None
        self._fetch = fetch
        self._backoff = backoff or Backoff(0.2, 10.0)
        self._clock = clock
        self._known: dict[int, object] = {}
        self._refused: dict[int, tuple[float, Undeliverable]] = {}
        """Number → refused until when, and why."""
        self._asked: _Question | None = None
        self._again_at = float("-inf")
        self._repeated = Repeated()

    def get(self, number: int) -> object:
        """Like `Schemas.get`."""
        self._take_answer()
        found = self._known.get(number)
        if found is not None:
            return found
        if number in self._refused:
            until, why = self._refused[number]
            if self._clock() < until:
                raise why
            del self._refused[number]
        if self._asked is None and self._clock() >= self._again_at:
            self._asked = _Question(self._fetch, number)
        raise SchemaMissing(f"schema {number} of the registry: {self.trouble or 'being asked for'}")

    def _take_answer(self) -> None:
        asked = self._asked
        if asked is None or not asked.done:
            return
        self._asked = None
        try:
            self._keep(asked.number, prepared(asked.text()))
        except Undeliverable as why:
            self._refuse(asked.number, why)
        except BadSchema as error:
            self._refuse(asked.number, Undeliverable("unknown_schema", unusable(asked.number, str(error))))
        except IngestError as error:
            # A wrong password is treated like an outage: nothing is wrong with the record.
            self.trouble = str(error)
            self._again_at = self._clock() + self._backoff.next()
            held = self._repeated.admit("registry")
            if held is not None:
                logger.warning("Commands wait for their schema: %s%s.", self.trouble.rstrip("."), and_more(held))
            return
        self.trouble = None
        self._backoff.reset()

    def _keep(self, number: int, schema: object) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[number] = schema

    def _refuse(self, number: int, why: Undeliverable) -> None:
        if len(self._refused) >= MOST:
            self._refused.clear()
        self._refused[number] = self._clock() + UNKNOWN_SECONDS, why


class _Question:
    """Asks on a daemon thread: the process can end without the answer."""

    def __init__(self, fetch: Callable[[int], str], number: int) -> None:
        self.number = number
        self._fetch = fetch
        self._answer: str | IngestError | None = None
        self._thread = threading.Thread(target=self._ask, name=f"schema-{number}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the machine has no room for a thread now
            self._answer = Unreachable(f"the schema registry cannot be asked now ({error})")

    @property
    def done(self) -> bool:
        return self._answer is not None

    def text(self) -> str:
        """Returns the schema's text. Raises what `fetch` has raised."""
        assert self._answer is not None, "done comes first"
        if isinstance(self._answer, IngestError):
            raise self._answer
        return self._answer

    def _ask(self) -> None:
        try:
            self._answer = self._fetch(self.number)
        except IngestError as error:
            self._answer = error
        except Exception as error:  # the record waits and is not lost, whatever a library raises for an answer
            self._answer = Unreachable(f"the schema registry cannot be asked ({type(error).__name__}: {error})")


class InOrder(Generic[_Item]):
    """Items one after another; while the schema of the first is missing, all wait."""

    def __init__(self, take: Callable[[_Item], None]) -> None:
        """`take` raises SchemaMissing before it has done anything."""
        self._take = take
        self._waiting: deque[_Item] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, items: Iterable[_Item]) -> None:
        """Takes these items, after those that wait."""
        self._waiting.extend(items)
        while self._waiting:
            try:
                self._take(self._waiting[0])
            except SchemaMissing:
                return
            self._waiting.popleft()

    def drop(self, gone: Callable[[_Item], bool]) -> None:
        """Forgets the items that are gone."""
        self._waiting = deque(item for item in self._waiting if not gone(item))


def unusable(number: int, reason: str) -> str:
    return f"The record is a frame of schema {number}, which cannot be used: {reason.rstrip('.')}."


def registry_schemas(config: SchemaRegistry) -> SchemaCache | None:
    """Returns the schemas of the registry, None without one. Raises Refused if a certificate cannot be read."""
    if not config.url:
        return None
    from ingest.kafka.schema_registry import Registry, Unknown

    registry = Registry(config)

    def fetch(number: int) -> str:
        try:
            return registry.schema_of(number)
        except Unknown as error:
            raise Undeliverable("unknown_schema", unusable(number, str(error))) from None

    return SchemaCache(fetch)
