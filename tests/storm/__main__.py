"""`python -m tests.storm`: `ingest source` in a storm of faults, and an independent count of what is in Kafka.

Devices send numbered events meanwhile. A seed gives the same faults at the same times again. Each fault is told on stderr when it
strikes; what is lost, repeated and out of order at the end. Exits 1 if something is wrong.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from tests.storm.plan import FULL_SECONDS
from tests.storm.storm import Delivery, Settings, storm


def main() -> int:
    """0 when all is well; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="in all (default: 1000000)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=FULL_SECONDS,
        metavar="S",
        help=f"that they are sent in (default: {FULL_SECONDS:g})",
    )
    parser.add_argument("--delivery", choices=get_args(Delivery), default="at_least_once")
    parser.add_argument("--store", choices=["blob", "file"], default="blob", help="of the checkpoints (default: blob)")
    parser.add_argument("--transport", choices=["fast", "sdk"], default="fast")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where configurations and logs stay")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    options = parser.parse_args()
    settings = Settings(
        seed=options.seed,
        delivery=options.delivery,
        events=options.events,
        seconds=options.seconds,
        store=options.store,
        transport=options.transport,
    )
    with _folder(options.keep) as folder:
        result = storm(folder, settings)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name}: {value}" if not isinstance(value, list) else "\n  ".join([f"{name}:", *map(str, value)]))
    return 1 if result["problems"] else 0


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, made; else a folder that goes when it is left."""
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept
    else:
        with tempfile.TemporaryDirectory(prefix="storm-") as made:
            yield Path(made)


if __name__ == "__main__":
    sys.exit(main())
