import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.telemetry.admission import MOST_READERS, admit

epochs = st.one_of(st.none(), st.integers(0, 3))


@pytest.mark.parametrize(
    ("present", "asked", "text"),
    [
        ([], None, None),
        ([], 0, None),
        ([None] * 4, None, None),
        ([None] * 5, None, "maximum number of allowed receivers per partition in a consumer group which is 5"),
        ([None] * 5, 0, None),
        ([0], None, "non-epoch receiver is not allowed"),
        ([0], 0, None),
        ([1], 2, None),
        ([2], 1, "Receiver 'nil' with a higher epoch '2' already exists"),
    ],
)
def test_rules(present: list[int | None], asked: int | None, text: str | None) -> None:
    refusal = admit(present, asked)
    assert (refusal is None) == (text is None)
    if refusal is not None and text is not None:
        assert text in refusal.text


@given(st.lists(epochs, max_size=30))
def test_whatever_comes_there_is_one_epoch_reader_or_a_few_without(arrivals: list[int | None]) -> None:
    present: list[int | None] = []
    for asked in arrivals:
        if admit(present, asked) is None:
            present = [asked] if asked is not None else [*present, None]
        assert len(present) <= MOST_READERS
        assert len(present) <= 1 or present == [None] * len(present)
