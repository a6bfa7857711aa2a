"""The program, as `ingest` and as `python -m ingest`. First of all it heeds signals; what takes time to load comes after.

The children of an `ingest` that was started as a script run that script's imports again: they must stay few.
"""

import io
import sys

from ingest import early_signals


def main() -> int:
    """Runs the command of `sys.argv`; returns its exit code."""
    early_signals.heed(sys.argv[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As of stderr: no locale lacks a character that ends the program.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from ingest.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return early_signals.INTERRUPTED
    finally:
        early_signals.leave_quietly()


if __name__ == "__main__":
    sys.exit(main())
