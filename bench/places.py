"""Places in pages, for what a program writes there."""

END = "<!-- end -->"


def placed(page: str, name: str, text: str) -> str:
    """Returns the page with `text` between the lines `<!-- name -->` and `<!-- end -->`. Raises ValueError if it lacks them."""
    before, begin, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no lines <!-- {name} --> and {END}")
    return f"{before}{begin}{text}\n{end}{after}"
