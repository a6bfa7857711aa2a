"""tests.storm.soak: when it cuts."""

from tests.storm.soak import cut_times


def test_links_are_cut_more_often_while_nothing_is_judged() -> None:
    assert list(cut_times(2, 1, 20, 30)) == [20, 40, 60, 90, 120]


def test_without_a_warm_up_all_cuts_have_one_pace() -> None:
    assert list(cut_times(1, 0, 2, 20)) == [20, 40, 60]
