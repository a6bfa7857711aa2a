"""Reads numbers on the command line, for argparse's `type`."""

import argparse
from collections.abc import Callable


def positive(text: str) -> int:
    """Returns a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def up_to(most: int) -> Callable[[str], int]:
    """Returns a reader of whole numbers from 1 to `most`."""

    def number(text: str) -> int:
        value = positive(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most}")
        return value

    return number


def positive_number(text: str) -> float:
    """Returns a number above 0, in any notation that Python reads."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
