"""The pages for everybody: README.md, CONTRIBUTING.md, SECURITY.md and all of docs/, one by one and together."""

from collections.abc import Mapping
from typing import Final

from tests.end_to_end.documents import Document, squeezed
from tests.services import ROOT

NAMES: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
)
PAGES: Final[Mapping[str, Document]] = {name: Document(name) for name in NAMES}
README: Final = PAGES["README.md"]
COMMANDS: Final = list({squeezed(line): line for page in PAGES.values() for line in page.commands()}.values())
"""In the order of the pages; one that several pages have is there once."""
SPANS: Final = [span for page in PAGES.values() for span in page.spans()]
PROSE: Final = squeezed(" ".join(page.text for page in PAGES.values()))
