"""In which order ways take their turns."""

from bench.in_turns import of_this_round
from bench.results import Run


def test_each_round_begins_with_another_way_and_has_all() -> None:
    runs: dict[str, list[Run]] = {"a": [], "b": [], "c": []}
    rounds = []
    for _ in range(4):
        rounds.append("".join(name for name, _ in of_this_round(runs)))
        for done in runs.values():
            done.append(Run(1, 1.0, 1.0, 1.0))
    assert rounds == ["abc", "bca", "cab", "abc"]
