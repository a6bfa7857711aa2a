"""`ingest demo`: runs hub, devices, Kafka and ingest on one machine, and counts the results."""

import argparse

from ingest.extras import require_emulator


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns its exit code. Raises IngestError if a part could not be started or has died."""
    require_emulator("ingest demo")
    # Imported here: the hub's process imports this package too, but does not need the command.
    from ingest.demo.command import run as run_demo

    return run_demo(args)
