"""bench.page: the results in bench/README.md."""

import ast
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.page import PAGE, TESTS, in_page, title

BEGIN, END = "<!-- python -m bench.page -->\n", "<!-- end -->"
ROOM = f"before\n{BEGIN}old\n{END}\nafter\n"


def figures(**rows: list[dict[str, object]]) -> dict[str, Any]:
    """As pytest-benchmark writes them: one row for each benchmark, or those that are given."""
    return {
        "machine_info": {
            "cpu": {"count": 2, "brand_raw": "Some CPU"},
            "system": "Linux",
            "release": "6.1",
            "python_version": "3.11.7",
        },
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "datetime": "2026-11-29T12:00:00+00:00",
        "benchmarks": [
            {"name": f"{test}[{number}]", "extra_info": {"rows": [row]}}
            for test in TESTS
            for number, row in enumerate(rows.get(test, [{"cpu_us_per_event": 1.5}]))
        ],
    }


def test_every_benchmark_has_a_place() -> None:
    files = Path(str(bench.__file__)).parent.glob("test_*.py")
    defined = [each for file in files for each in ast.parse(file.read_text(encoding="utf-8")).body]
    names = [each.name for each in defined if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    assert sorted(names) == sorted(TESTS)


def test_the_page_has_room_for_results() -> None:
    assert "| 1.5 |" in in_page(PAGE.read_text(encoding="utf-8"), figures())


def test_what_all_rows_share_stands_above_their_table() -> None:
    rows: list[dict[str, object]] = [
        {"runs": 3, "partitions": 1, "tls": True, "transport": None, "uss_mib_max": 28.5, "p99_9_ms": 16.0},
        {"runs": 3, "partitions": 32, "tls": True, "transport": None, "uss_mib_max": 29, "share_of_allowed": 0.9951},
    ]
    page = in_page(ROOM, figures(test_source_scaling=rows))
    assert (
        "`test_source_scaling`: runs 3, TLS yes\n\n"
        "| partitions | USS MiB largest | p99.9 ms | share of allowed |\n"
        "| --- | --- | --- | --- |\n"
        "| 1 | 28.5 | 16.0 | - |\n"
        "| 32 | 29 | - | 99.5 % |\n"
    ) in page


def test_what_is_around_the_results_stays() -> None:
    page = in_page(ROOM, figures())
    assert page.startswith(
        f"before\n{BEGIN}One run of all benchmarks that ended on 2026-11-29, at commit 0123456789: 2 cores of Some CPU,"
    )
    assert page.endswith(f"\n{END}\nafter\n")
    assert "old" not in page
    assert in_page(page, figures()) == page


def test_the_results_of_a_part_are_refused() -> None:
    part = figures()
    part["benchmarks"] = [each for each in part["benchmarks"] if "sink" not in each["name"]]
    with pytest.raises(ValueError, match="no figures of test_sink_rate, test_sink_rate_halved, test_sink_cpu: "):
        in_page(ROOM, part)


def test_a_benchmark_without_a_place_is_refused() -> None:
    more = figures()
    more["benchmarks"].append({"name": "test_new", "extra_info": {}})
    with pytest.raises(ValueError, match="test_new has no place"):
        in_page(ROOM, more)


def test_a_page_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        in_page("# Benchmarks\n", figures())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("hub_cpu_us_per_event", "hub CPU µs/event"),
        ("acked_within_10_ms", "answered within 10 ms"),
        ("commands_per_second", "commands/second"),
    ],
)
def test_a_figure_has_a_name_in_words(key: str, words: str) -> None:
    assert title(key) == words
