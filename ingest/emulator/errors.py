"""The errors of the emulator: they become answers to its clients and never end the process."""


class Rejected(Exception):
    """A client asks for something that the hub refuses; `str()` is the answer to it."""
