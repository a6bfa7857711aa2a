"""`ingest doctor`: runs the checks and shows their findings."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command, add_config, add_json, load_config
from ingest.errors import EXIT_CONFIG, EXIT_CRASH, EXIT_OK, ConfigError
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Config
    from ingest.doctor.check import Check, Finding, Result

_WORDS: Mapping["Result", str] = {"ok": "ok", "warn": "warn", "fail": "FAIL", "skipped": "skip"}
_COLOURS: Mapping["Result", str] = {"ok": "32", "warn": "33", "fail": "31;1", "skipped": "2"}


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "doctor",
        "Try everything that ingest needs: one line each, with the fix.",
        "The checks run side by side, each for at most 5 s. They move nothing and do not disturb a running ingest. Exits\n"
        "with 1 if something fails, 78 if the configuration is wrong.",
        "ingest doctor -c ingest.toml",
        lambda args: run(partial(load_config, args, "run"), as_json=args.as_json),
    )
    add_config(parser)
    add_json(parser)


def run(
    load: "Callable[[], Config]",
    *,
    as_json: bool,
    environ: Mapping[str, str] = os.environ,
    now: Callable[[], float] = time.time,
) -> int:
    """Prints one line per check, or one JSON list. Returns 0; 1 if a check fails; 78 if the configuration is wrong.

    Takes about as long as the slowest check; the few that need other checks run after them.
    """
    with _quiet():
        try:
            config = load()
        except ConfigError as error:
            from ingest.doctor.check import Finding

            problems = [
                Finding("configuration", "fail", f"{each.key} = {each.value}" if each.value else each.key, each.fix, 0)
                for each in error.problems
            ]
            _show(iter(problems), as_json=as_json, width=len("configuration"))
            return EXIT_CONFIG
        checks = _checks(config, environ, now)
        return _show(_run(checks), as_json=as_json, width=max(len(check.name) for check in checks))


def try_connections(config: "Config") -> Iterator["Finding"]:
    """Yields the findings of the checks of all services, in order, each as soon as it is known; none about this machine."""
    from ingest.doctor.plan import connection_checks

    with _quiet():
        yield from _run(connection_checks(config))


def _checks(config: "Config", environ: Mapping[str, str], now: Callable[[], float]) -> list["Check"]:
    from ingest.doctor.plan import checks_of

    return checks_of(config, environ, now)


def _run(checks: Sequence["Check"]) -> Iterator["Finding"]:
    from ingest.doctor.runner import run_checks

    return run_checks(checks)


def _show(findings: Iterator["Finding"], *, as_json: bool, width: int) -> int:
    if as_json:
        found = list(findings)
        print(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        found = []
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for finding in findings:
            found.append(finding)
            print(line_of(finding, width, coloured=coloured), flush=True)
        print(summary(found))
    return EXIT_CRASH if any(finding.result == "fail" for finding in found) else EXIT_OK


def line_of(finding: "Finding", width: int, *, coloured: bool) -> str:
    """Returns a finding as one line. `width`: of the column of names."""
    word = f"{_WORDS[finding.result]:<5}"
    if coloured:
        word = f"\x1b[{_COLOURS[finding.result]}m{word}\x1b[0m"
    fix = f"  → {printable(finding.fix)}" if finding.fix else ""
    return f"{word} {finding.check:<{width}}  {printable(' '.join(finding.seen.split()))}{fix}"


def summary(found: list["Finding"]) -> str:
    counts = {result: sum(finding.result == result for finding in found) for result in _WORDS}
    words = {"fail": "failed", "warn": "to look at", "skipped": "skipped", "ok": "ok"}
    told = [f"{counts[result]} {word}" for result, word in words.items() if counts[result]]  # type: ignore[index]
    return ", ".join(told)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences logs: the findings describe the same problems better than the libraries do."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
