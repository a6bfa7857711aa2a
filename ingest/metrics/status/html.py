"""The status page at /: one HTML document with its own style and script, and what browsers may do with it."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_FOLDER: Final = Path(__file__).parent
_STYLE: Final = "/* page.css */"
_SCRIPT: Final = "/* page.js */"


class Html(NamedTuple):
    body: bytes
    policy: str
    """The header Content-Security-Policy."""


@cache
def page() -> Html:
    """Returns the page, put together once from page.html, page.css and page.js."""
    style, script = (_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    frame = _FOLDER.joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        "connect-src 'self'",
        "img-src data:",  # an empty icon, for which browsers would ask otherwise
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # the script makes text and elements only
        "trusted-types 'none'",
    )
    return Html(frame.replace(_STYLE, style).replace(_SCRIPT, script).encode(), "; ".join(policy))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
