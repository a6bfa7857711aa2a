"""The errors of the emulator: what it answers its clients, and nothing that ends the process."""


class Rejected(Exception):
    """A client asks for what the hub does not do; `str()` is what it is told."""
