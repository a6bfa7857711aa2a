from ingest.cluster.rates import LEAST_SECONDS, WINDOW_SECONDS, Rates


def test_a_node_that_has_just_come_compares_by_the_hub_s_whole_life() -> None:
    rates = Rates()
    assert rates.known() == {}
    rates.take({"0": 900, "1": 300, "2": -1}, 1_000.0)
    assert rates.known() == {"0": 900.0, "1": 300.0, "2": 0.0}


def test_rates_are_of_the_last_minutes() -> None:
    rates, numbers, now = Rates(), {"0": 1_000_000, "1": 10}, 0.0
    rates.take(numbers, now)
    while now < 3 * WINDOW_SECONDS:
        now += LEAST_SECONDS
        numbers = {"0": numbers["0"] + 30, "1": numbers["1"] + 900}
        rates.take(numbers, now)
        assert rates.known() == {"0": 30 / LEAST_SECONDS, "1": 900 / LEAST_SECONDS}, now
    for _ in range(6):
        now += LEAST_SECONDS
        rates.take(numbers, now)
    assert rates.known() == {"0": 0.0, "1": 0.0}, "they have been quiet for the whole of it"


def test_a_partition_that_is_new_or_counts_anew_has_no_rate_yet() -> None:
    rates = Rates()
    rates.take({"0": 500}, 0.0)
    rates.take({"0": 3, "1": 70}, 60.0)
    assert rates.known() == {"0": 0.0, "1": 0.0}
