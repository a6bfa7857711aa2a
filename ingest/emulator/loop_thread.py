"""One asyncio loop in its own thread, usable from any thread."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ingest.errors import IngestError

_T = TypeVar("_T")
_CALL_SECONDS = 30.0


class Call(Protocol):
    """Runs a function in the loop's thread and returns its result."""

    def __call__(self, function: Callable[[], _T]) -> _T: ...


class LoopThread:
    """Lifecycle: `start`, `call`/`submit`, `close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def alive(self) -> bool:
        """Whether the thread runs, so that `submit` works."""
        return self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def call(self, function: Callable[[], _T]) -> _T:
        """Run `function` in the loop's thread and return its result; run it at once if this is that thread.

        Before `start` and after `close` the loop does not run, so the function runs in the caller's thread.
        """
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return function()
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result(_CALL_SECONDS)

    def submit(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Start a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self, seconds: float) -> None:
        """Cancel the running tasks, stop the loop and wait for the thread. Raises IngestError after `seconds`."""
        if not self._thread.is_alive():
            if not self._loop.is_closed():
                self._loop.close()
            return
        try:
            self.submit(self._cancel_all()).result(seconds)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(seconds)
        if self._thread.is_alive():
            raise IngestError(f"The thread {self._name} did not end within {seconds:g} s.")

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
