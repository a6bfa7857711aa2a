"""Values of unknown size and kind, quoted in a sentence."""

MAX_CHARACTERS = 60


def clip(value: object) -> str:
    """Returns the value as Python writes it, in ASCII, cut to 60 characters; of lists and objects only the kind."""
    # They can be nested too deeply to be written out at all.
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    shown = ascii(value[: MAX_CHARACTERS + 1]) if isinstance(value, str | bytes) else ascii(value)
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "…"
