"""The command line: parses arguments and calls the command's file, which imports what it needs when it runs.

Results go to stdout, logs and errors to stderr.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from ingest.cli import (
    audit,
    check_config,
    checkpoints,
    demo,
    discover,
    doctor,
    emulator,
    migrate,
    print_config,
    redrive,
    replay,
    run,
    shadow,
    status,
    topics,
)
from ingest.cli.parsers import CommandParser
from ingest.errors import EXIT_CRASH, EXIT_INTERRUPTED, EXIT_USAGE, ConfigError, IngestError
from ingest.printable import printable

COMMANDS = (
    run,
    check_config,
    doctor,
    print_config,
    status,
    checkpoints,
    topics,
    discover,
    migrate,
    shadow,
    audit,
    replay,
    redrive,
    emulator,
    demo,
)
"""The files of all commands, in the order of the help: each has `add`."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why stdout may take nothing, if it is a file."""
_DESCRIPTION = "Moves data between Azure IoT Hub and Apache Kafka, both ways, from an edge node."
_EPILOG = """\
first steps:
  ingest demo                                     everything on this machine, nothing to configure
  ingest print-config --example > ingest.toml     a file with every key, to fill in
  ingest topics create -c ingest.toml
  ingest doctor -c ingest.toml                    whether everything answers, and if not, the fix
  ingest run -c ingest.toml

exit codes: 0 done, 1 crash or failed, 2 wrong use, 69 a service refuses or does not answer, 78 wrong configuration
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. argparse itself exits with 2 on wrong use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(arguments)
        except ConfigError as error:
            for problem in error.problems:
                print(f"ingest: config: {printable(str(problem))}", file=sys.stderr)
            return error.exit_code
        except IngestError as error:
            print(f"ingest: {printable(str(error))}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        finally:
            # Python itself does so at exit, and reports an error in words of its own.
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return EXIT_CRASH
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _drop_output()
        print(f"ingest: the output cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_CRASH


def _run(arguments: list[str]) -> int:
    args = command_parser().parse_args(arguments)
    if args.version:
        from ingest.cli import version

        return version.run(verbose=args.verbose)
    if args.handler is None:
        args.parser.print_help(sys.stderr)
        return EXIT_USAGE
    return int(args.handler(args))


def _drop_output() -> None:
    """Nobody takes it, and Python would report that again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ingest", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--version", action="store_true", help="show the version and exit; with -v, how ingest was built"
    )
    parser.add_argument("-v", dest="verbose", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(handler=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=CommandParser)
    for command in COMMANDS:
        command.add(commands)
    return parser
