"""Writes the results of bench/README.md: `python -m bench.page FIGURES.json`, from what `--benchmark-json` wrote.

One run of all benchmarks: figures of several days or machines say nothing beside each other.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from bench.places import placed
from bench.results import Row

PAGE: Final = Path(__file__).with_name("README.md")
PLACE: Final = "python -m bench.page"

TESTS: Final = (
    "test_source_traffic",
    "test_peers",
    "test_decode_record",
    "test_source_fast",
    "test_source_sdk",
    "test_source_sdk_sample",
    "test_source_scaling",
    "test_source_latency",
    "test_source_rates",
    "test_source_far_kafka",
    "test_source_networks",
    "test_source_formats",
    "test_exactly_once",
    "test_exactly_once_latency",
    "test_prefetch_sweep",
    "test_checkpoint_cost",
    "test_codec",
    "test_codec_many_devices",
    "test_record",
    "test_progress",
    "test_audit",
    "test_startup_32",
    "test_sink_rate",
    "test_sink_rate_halved",
    "test_sink_cpu",
    "test_status_page",
    "test_emulator_serving",
)
"""In the order in which readers want them."""

CONDITIONS: Final = (
    "runs",
    "rounds",
    "events",
    "commands",
    "partitions",
    "frame_bytes",
    "transport",
    "format",
    "tls",
    "decoder",
)
"""What stands above a table when it is the same in all its rows."""

SHARES: Final = ("acked_within_10_ms", "acked_within_50_ms", "share_of_allowed", "share_of_a_core")
WORDS: Final = {
    "cpu": "CPU",
    "us": "µs",
    "uss": "USS",
    "mib": "MiB",
    "tls": "TLS",
    "per": "/",
    "kafka": "Kafka",
    "max": "largest",
    "acked": "answered",
}
"""Those that are not themselves in a heading."""


def in_page(page: str, figures: Mapping[str, Any]) -> str:
    """Returns the page with these results in it. Raises ValueError if they are not of all benchmarks, or of one that has no place
    here, or if the page has no place for them."""
    return placed(page, PLACE, text(figures))


def text(figures: Mapping[str, Any]) -> str:
    """Where and when the run was, and a table for each benchmark. Raises ValueError as `in_page` does."""
    rows: dict[str, list[Row]] = {test: [] for test in TESTS}
    for each in figures["benchmarks"]:
        test = each["name"].partition("[")[0]
        if test not in rows:
            raise ValueError(f"{test} has no place in the page: name it in {__name__}.TESTS")
        rows[test] += each["extra_info"].get("rows", ())
    missing = [test for test, found in rows.items() if not found]
    if missing:
        raise ValueError(
            f"the run has no figures of {', '.join(missing)}: the page has those of one whole `make bench`"
        )
    return "\n\n".join((_run(figures), *chain.from_iterable(_results(test, rows[test]) for test in TESTS)))


def _run(figures: Mapping[str, Any]) -> str:
    machine, commit = figures["machine_info"], figures["commit_info"]
    cpu = machine["cpu"]
    day = datetime.fromisoformat(figures["datetime"])
    changed = ", with changes" if commit["dirty"] else ""
    return (
        f"One run of all benchmarks that ended on {day:%Y-%m-%d}, at commit {commit['id'][:10]}{changed}: {cpu['count']} cores of"
        f" {cpu['brand_raw']}, {machine['system']} {machine['release']}, Python {machine['python_version']}."
    )


def _results(test: str, rows: Sequence[Row]) -> Iterator[str]:
    keys = dict.fromkeys(chain.from_iterable(rows))
    values = {key: [row.get(key) for row in rows] for key in keys}
    there = [key for key in keys if any(value is not None for value in values[key])]
    shared = [key for key in there if key in CONDITIONS and len(set(values[key])) == 1]
    conditions = ", ".join(f"{title(key)} {_cell(key, values[key][0])}" for key in shared)
    yield f"`{test}`: {conditions}" if shared else f"`{test}`"
    columns = [key for key in there if key not in shared]
    lines = [map(title, columns), ["---"] * len(columns)]
    lines += ([_cell(key, row.get(key)) for key in columns] for row in rows)
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)


def title(key: str) -> str:
    """A figure's name in words."""
    words = (WORDS.get(word, word) for word in key.replace("p99_9", "p99.9").split("_"))
    return " ".join(words).replace(" / ", "/")


def _cell(key: str, value: str | int | float | bool | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in SHARES and isinstance(value, float):
        return f"{value:.1%}".replace("%", " %")
    return value if isinstance(value, str) else f"{value:,}"


def main(figures: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(in_page(page, json.loads(figures.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.page FIGURES.json")
    try:
        main(Path(sys.argv[1]))
    except (OSError, ValueError) as why:
        sys.exit(f"{why}")
