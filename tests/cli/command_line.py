"""The whole command line as text, one line per option, without what argparse lays out differently from one Python to the
next. `python -m tests.cli.command_line > tests/cli/command_line.txt` after an intended change.
"""

import argparse
import sys
from collections.abc import Iterator

from ingest.cli.main import command_parser


def described(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Of a command, what it says of itself, its options and those of its actions."""
    yield f"{parser.prog}"
    yield from (f"    {line}" for line in f"{parser.description}\n{parser.epilog}".splitlines())
    fill = getattr(parser, "fill", None)
    if fill is not None:
        fill(parser)
    for action in parser._actions:  # argparse has no public way to ask for them
        if isinstance(action, argparse._SubParsersAction):
            yield from (f"    {each.dest}: {each.help}" for each in action._choices_actions)
            for sub_parser in action.choices.values():
                yield ""
                yield from described(sub_parser)
        elif not isinstance(action, argparse._HelpAction):
            named = ", ".join(action.option_strings) or action.dest
            shown = {
                "value": action.metavar,
                "choices": action.choices and ", ".join(map(str, action.choices)),
                "required": action.required or None,
                "default": None if action.default in (None, argparse.SUPPRESS, False, []) else action.default,
            }
            facts = ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None)
            yield f"  {named} ({facts or 'flag'}): {action.help}"


def text() -> str:
    return "\n".join(line.rstrip() for line in described(command_parser())) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
