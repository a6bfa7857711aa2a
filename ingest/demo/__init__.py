"""`ingest demo`: hub, devices, Kafka and ingest at work on one machine, and counted."""

import argparse

from ingest.extras import require_emulator


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns its exit code. Raises IngestError when something could not be started or died."""
    require_emulator("ingest demo")
    # Imported here: the hub's process imports this package as well, and needs none of it.
    from ingest.demo.command import run as run_demo

    return run_demo(args)
