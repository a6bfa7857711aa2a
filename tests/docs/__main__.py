"""`python -m tests.docs` writes the generated pages again: docs/configuration.md and docs/metrics.md.

`python -m tests.docs FOLDER` writes them below another folder.
"""

import sys
from pathlib import Path

from tests.docs.references import PAGES
from tests.services import ROOT

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
for name, page in PAGES.items():
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(page(), encoding="utf-8")
    print(path)
