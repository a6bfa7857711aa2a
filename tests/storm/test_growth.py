"""tests.storm.growth: what grows is told, what only goes up and down is not."""

from collections.abc import Callable

from tests.storm.growth import Growth, Sample


def _growth(
    memory: Callable[[int], float] = lambda _: 30_000, descriptors: Callable[[int], int] = lambda _: 20
) -> Growth:
    """One process, ten minutes, a sample every half minute."""
    growth = Growth(warm_up_minutes=2)
    for number in range(20):
        sample = Sample(number / 2, memory(number), memory(number) + 9000, descriptors(number), 5)
        growth.add(("sink 0", 7), sample)
    return growth


def test_what_goes_up_and_down_is_no_growth() -> None:
    growth = _growth(lambda n: 30_000 + n % 2 * 900, lambda n: 20 + n % 3)
    assert growth.problems(kib_per_minute=50) == []


def test_memory_that_grows_is_told_with_its_pace() -> None:
    (problem,) = _growth(lambda n: 30_000 + 100 * n).problems(kib_per_minute=50)
    assert problem == "sink 0 (7): memory grows by 200 KiB/min; at most 50 is allowed"


def test_growth_of_the_warm_up_is_not_judged() -> None:
    assert _growth(lambda n: 30_000 + 5000 * min(n, 4)).problems(kib_per_minute=50) == []


def test_descriptors_that_are_not_closed_are_told() -> None:
    (problem,) = _growth(descriptors=lambda n: 20 + n).problems(kib_per_minute=50)
    assert problem == "sink 0 (7): descriptors grew from at most 28 to at least 35"


def test_a_process_that_was_replaced_is_told() -> None:
    growth = _growth()
    growth.add(("sink 0", 8), Sample(11, 1, 1, 1, 1))
    assert growth.problems(50) == ["sink 0 (7) was gone after minute 9.5", "sink 0 (8) came at minute 11.0"]


def test_processes_that_answer_one_question_replace_none() -> None:
    growth = _growth()
    for minute, process in ((1, ("trial", 11)), (3, ("discover", 12)), (8, ("discover", 13))):
        growth.add(process, Sample(minute, 20_000, 30_000, 12, 2))
    growth.add(("sink 0", 7), Sample(10, 30_000, 39_000, 20, 5))
    assert growth.problems(50) == []


def test_the_table_has_a_row_for_each_window() -> None:
    assert [line.split()[3] for line in _growth().table().splitlines()[1:]] == ["0-5", "5-10"]
