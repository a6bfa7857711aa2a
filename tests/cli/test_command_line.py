"""The command line is a contract: what changes in it is seen in the diff of one file."""

from pathlib import Path

from tests.cli.command_line import text

KEPT = Path(__file__).with_name("command_line.txt")


def test_the_command_line_is_the_one_that_is_written_down() -> None:
    assert text() == KEPT.read_text(encoding="utf-8"), (
        "intended? python -m tests.cli.command_line > tests/cli/command_line.txt"
    )
