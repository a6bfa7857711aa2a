"""Kafka Connect's own converters, in Java, as consumers of records."""

import base64
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.services import compiled

FIELDS: Final = (
    "deviceId",
    "offset",
    "contentType",
    "enqueuedTime",
    "sequenceNumber",
    "content",
    "systemProperties",
    "properties",
)
_SECONDS: Final = 300


def converted(form: str, values: Iterable[bytes]) -> list[Any]:
    """What the converter of the format makes of each value: the text for `connect-string`, else the struct's fields."""
    folder = Path(__file__).parent / "converters"
    java, classes = compiled.java_program(
        folder / "Converters.java", folder / "pom.xml", "converters", "the converters of Kafka Connect"
    )
    ran = subprocess.run(
        [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Converters"],
        input="".join(f"{form} {base64.b64encode(value).decode()}\n" for value in values),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    lines = ran.stdout.splitlines()
    if form == "connect-string":
        return [_decoded(line) for line in lines]
    return [dict(zip(FIELDS, map(_decoded, line.split()), strict=True)) for line in lines]


def _decoded(shown: str) -> Any:
    """What Converters.java has printed of a field."""
    if shown == "null":
        return None
    if shown.startswith("{"):
        return {_decoded(key): _decoded(value) for key, value in re.findall(r"(=[^:]*):(=[^,]*),", shown)}
    return base64.b64decode(shown[1:]).decode()
