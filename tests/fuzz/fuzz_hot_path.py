"""A coverage-guided fuzzer of the hot path. By hand, ten minutes at a time; a test replays what it found.

    pip install --group fuzz
    python -m tests.fuzz.fuzz_hot_path -max_total_time=600 /tmp/found tests/fuzz/corpus

Arguments are libFuzzer's. New inputs go to the first folder; one that fails is written to the current one.
`python -m tests.fuzz.fuzz_hot_path -merge=1 tests/fuzz/corpus /tmp/found` keeps those that reach something new.
"""

import sys
from importlib import import_module
from typing import Any

_LIMITS = ("-max_len=4096", "-timeout=10", "-rss_limit_mb=512")


def main() -> None:
    atheris: Any = import_module("atheris")  # in a dependency group of its own
    with atheris.instrument_imports(include=["ingest.amqp", "ingest.source"]):
        target = import_module("tests.fuzz.target")
    atheris.Setup([sys.argv[0], *_LIMITS, *sys.argv[1:]], target.hot_path)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
