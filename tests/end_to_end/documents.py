"""What a Markdown page promises, taken apart: commands, examples, names in backticks, links."""

import re
from pathlib import Path

from tests.services import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$")
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")


class Document:
    """One page of the repository."""

    def __init__(self, name: str) -> None:
        """`name`: from the root, such as `systemd/README.md`."""
        self.folder = (ROOT / name).parent
        self.text = (ROOT / name).read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of a language, in order."""
        return [text for found, text in _BLOCK.findall(self.text) if found == language]

    def commands(self) -> list[str]:
        """The lines of all `sh` blocks, as a person types them: without comments."""
        lines = [_COMMENT.sub("", line).rstrip() for block in self.blocks("sh") for line in block.splitlines()]
        return [line for line in lines if line]

    def spans(self) -> list[str]:
        """What stands in backticks within the prose."""
        return _SPAN.findall(_BLOCK.sub("", self.text))

    def files(self) -> list[Path]:
        """What relative links lead to."""
        return [self.folder / target.partition("#")[0] for target in _LINK.findall(self.text) if "://" not in target]


def squeezed(command: str) -> str:
    """With single spaces: pages align their columns."""
    return " ".join(command.split())
