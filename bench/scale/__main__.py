"""`python -m bench.scale` prints the figures of docs/scale.md; `--write` writes them into it."""

import sys

from bench.scale.figures import PAGE, in_page, text

if sys.argv[1:] == ["--write"]:
    PAGE.write_text(in_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
elif sys.argv[1:]:
    sys.exit("usage: python -m bench.scale [--write]")
else:
    print(text())
