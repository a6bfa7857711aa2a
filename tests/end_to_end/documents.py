"""What a Markdown page promises, taken apart: commands, examples, names in backticks, links."""

import re
from pathlib import Path

from tests.services import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$")
_SPAN = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")


class Document:
    """One page of the repository."""

    def __init__(self, name: str) -> None:
        """`name`: from the root, such as `systemd/README.md`."""
        self.path = ROOT / name
        self.folder = self.path.parent
        self.text = self.path.read_text(encoding="utf-8")

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
        return [path for path, _ in self.links()]

    def links(self) -> list[tuple[Path, str]]:
        """File and anchor of every relative link; the anchor is empty where the link leads to the whole page."""
        parts = [target.partition("#") for target in _LINK.findall(self.text) if "://" not in target]
        return [(self.folder / file if file else self.path, anchor) for file, _, anchor in parts]

    def anchors(self) -> set[str]:
        """What links to a heading of this page end with, as GitHub makes it."""
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(_BLOCK.sub("", self.text))]
        return {heading.replace(" ", "-") for heading in headings}


def squeezed(command: str) -> str:
    """With single spaces: pages align their columns."""
    return " ".join(command.split())
