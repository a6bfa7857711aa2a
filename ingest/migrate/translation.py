"""What the old connector's files become: our keys with the origin of each, remarks, and what cannot be taken over."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from ingest.config.kinds import Choice
from ingest.config.layers import TABLES, Below, Given, Layer, Name, dotted
from ingest.config.sections import key_of
from ingest.config.values import Secret
from ingest.errors import Problem

LIBRDKAFKA: Final = ("kafka", "librdkafka")
HALF: Final = "has one half of a character that \\u writes in two: write both halves"
STORE: Final = ("checkpoints", "store")
NO_KEY: Final[Name] = ()
"""Stands for a problem that no key of ours settles."""


class Setting(NamedTuple):
    """One key of ours."""

    name: Name
    value: object
    """A TOML value, or a Secret."""
    origin: str
    """The properties that it comes from: `Kafka.Topic in connect-iothub-source.properties`."""
    remark: str = ""
    """More about it, in sentences."""


@dataclass(slots=True)
class Translation:
    """Filled by one reader after the other."""

    settings: list[Setting] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """(our section, sentence): what has no meaning here, or works differently."""
    problems: list[tuple[Name, Problem]] = field(default_factory=list)
    """Each with the key of ours that it would become: a value for that key from elsewhere settles it."""
    connector: str = ""
    """Name of the source connector, under which its positions are saved; empty without a source."""
    event_hub: str = ""

    def set(self, name: Name, value: object, origin: str, remark: str = "") -> None:
        """Sets the key; if this release does not have it, a remark says so. Two different values are a problem."""
        if isinstance(value, str | Secret) and has_half_a_character(value):
            self.problems.append((name, Problem(origin, "", HALF)))
            return
        before = next((each for each in self.settings if each.name == name), None)
        if before is not None:
            if before.value != value:
                fix = f"{before.origin} and {origin} differ, and both directions have one: write the right one with -c or --set"
                self.problems.append((name, Problem(dotted(name), "", fix)))
        elif is_known(name, value):
            self.settings.append(Setting(name, value, origin, remark))
        else:
            self.remark(
                name[0].partition(".")[0], f"{'.'.join(name[1:])} = {value!r} ({origin}) is not known to this release."
            )

    def remark(self, section: str, sentence: str) -> None:
        self.remarks.append((section, sentence))

    def below(self) -> Below:
        """Returns the settings as the lowest layer of a configuration. Their paths start at the current folder, as
        Connect's do.

        The checkpoints go to a folder, unless a higher layer has another store: the old connector needed no storage account.
        """
        layer: Layer = {STORE: Given("file", Path.cwd())}
        for name, value, origin, _ in self.settings:
            given = value.reveal() if isinstance(value, Secret) else value
            layer[name] = Given(given, Path.cwd(), f"from {origin}")
        return Below(layer, tuple(self.problems))


def has_half_a_character(text: str | Secret) -> bool:
    """Whether it contains an unpaired surrogate, which Java allows and UTF-8 does not."""
    plain = text.reveal() if isinstance(text, Secret) else text
    return any(0xD800 <= ord(character) <= 0xDFFF for character in plain)


def is_known(name: Name, value: object) -> bool:
    """Whether the schema has the key and, if it allows only certain words, this one."""
    if name[:2] == LIBRDKAFKA and len(name) == 3:
        return True
    declared = key_of(name[:2])
    if declared is None or (len(name) == 3 and name[:2] not in TABLES):
        return False
    return not isinstance(declared.kind, Choice) or value in declared.kind.words
