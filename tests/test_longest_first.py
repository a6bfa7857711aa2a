"""Files of tests that last long begin first."""

from pathlib import Path

from tests.longest_first import LONGEST, longest_first

HERE = Path(__file__).parent


def test_every_file_of_the_list_is_there_once() -> None:
    assert [name for name in LONGEST if not (HERE / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_the_list_goes_first_and_nothing_else_moves() -> None:
    long, longer = HERE / LONGEST[3], HERE / LONGEST[0]
    short, other = HERE / "test_house.py", Path("/elsewhere/test_it.py")
    found = longest_first([(short, 1), (long, 2), (other, 3), (longer, 4), (long, 5), (short, 6)])
    assert found == [4, 2, 5, 1, 3, 6]
