import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.intake.finished import MARK, MAX_BYTES, NOTHING, Finished, Run, decode, encode

LENGTHS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), max_size=200)


def runs_of(commit: int, lengths: list[tuple[int, int]]) -> list[Run]:
    runs, at = [], commit
    for unfinished, finished in lengths:
        runs.append(Run(at + unfinished, at + unfinished + finished))
        at = runs[-1].end
    return runs


@given(st.integers(0, 2**62), LENGTHS, st.none() | st.integers(0, 2**31 - 1))
def test_what_fits_comes_back_as_it_was(commit: int, lengths: list[tuple[int, int]], epoch: int | None) -> None:
    runs = runs_of(commit, lengths)
    text = encode(commit, runs, epoch, limit=100_000)
    assert decode(commit, text) == (Finished(runs, epoch) if runs else NOTHING)


@given(st.integers(0, 1000), LENGTHS, st.integers(0, 400))
def test_what_does_not_fit_is_cut_off_behind_and_nothing_else_is_called_finished(
    commit: int, lengths: list[tuple[int, int]], limit: int
) -> None:
    runs = runs_of(commit, lengths)
    text = encode(commit, runs, 3, limit=limit)
    assert len(text.encode()) <= limit
    found = decode(commit, text)
    assert found is not None
    assert [*found.runs] == runs[: len(found.runs)]


def test_thousands_of_held_commands_fit_in_what_a_broker_takes() -> None:
    rng = random.Random(1)
    # Every other command, by chance, is one of a device that takes none.
    held = [offset for offset in range(21_000) if rng.random() < 0.5]
    runs = [Run(a + 1, b) for a, b in zip(held, [*held[1:], 21_000], strict=True) if b > a + 1]
    text = encode(held[0], runs, 1)
    assert len(text) <= MAX_BYTES
    found = decode(held[0], text)
    assert found is not None
    assert found.runs[-1].end > 10_000


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "host-1,process-7",
        MARK,
        MARK + "###",
        MARK + base64.b64encode(b"no zlib").decode(),
        MARK + base64.b64encode(zlib.compress(b"\x00\x01\x02")[:-1]).decode(),
        MARK + base64.b64encode(zlib.compress(b"\x00\x01")).decode(),
        MARK + base64.b64encode(zlib.compress(b"\x00\x01\x00")).decode(),
        MARK + base64.b64encode(zlib.compress(b"\x00\x01\x81")).decode(),
        MARK + base64.b64encode(zlib.compress(b"\x01" * (2 << 20))).decode(),
        MARK + "\N{SNOWMAN}",
        MARK.replace("1", "2") + "AAAA",
    ],
)
def test_foreign_or_damaged_text_is_told_from_ours(text: str) -> None:
    assert decode(5, text) is None


@given(st.text(max_size=50))
def test_no_text_raises(text: str) -> None:
    decode(0, text)
    decode(0, MARK + text)


@pytest.mark.parametrize("text", [None, ""])
def test_no_text_at_all_is_nothing_finished(text: str | None) -> None:
    assert decode(5, text) == NOTHING
