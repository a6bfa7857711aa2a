"""What is given back, and when."""

import ctypes
import gc
import weakref
from collections.abc import Iterator
from multiprocessing import Pipe

import psutil
import pytest

from ingest.config import Config
from ingest.process import child, memory
from ingest.process.child import Child, ProcessSpec
from ingest.process.memory import SECONDS, Leftovers

MIB = 1 << 20


class Circle:
    """Freed by the collector alone."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _only_what_is_asked_for_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_circles_are_freed_once_in_a_while_and_not_before() -> None:
    now = 100.0
    leftovers = Leftovers(clock=lambda: now)
    for _ in range(2):
        left = weakref.ref(Circle())
        now += SECONDS - 1
        leftovers.poll()
        assert left() is not None
        now += 1
        leftovers.poll()
        assert left() is None


def test_the_free_pages_in_the_middle_of_a_heap_go_back_to_the_system() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    blocks = [library.malloc(64 << 10) for _ in range(1_000)]
    for block in blocks:
        ctypes.memset(block, 1, 64 << 10)
    held = psutil.Process().memory_full_info().uss
    # The last one stays, so that none of the others is the end of the heap.
    for block in blocks[:-1]:
        library.free(ctypes.c_void_p(block))
    memory.give_back()
    assert psutil.Process().memory_full_info().uss < held - 50 * MIB
    library.free(ctypes.c_void_p(blocks[-1]))


def test_without_glibc_circles_are_freed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_malloc_trim", None)
    left = weakref.ref(Circle())
    memory.give_back()
    assert left() is None


def test_every_child_gives_back_with_its_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "Leftovers", lambda: Leftovers(clock=lambda: next(clock)))
    clock = iter((0.0, SECONDS))
    ours, theirs = Pipe()
    with ours, theirs:
        made = Child(ProcessSpec("sink", "0", "", Config()), theirs)
        left = weakref.ref(Circle())
        made.beat(True, "working")
    assert left() is None
