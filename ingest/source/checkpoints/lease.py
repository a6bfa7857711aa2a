"""The lease of an Event Processor Host, the generation of processors before the checkpoint blobs. Pure.

One blob per partition whose content is JSON,
`{"Offset":"8591964920","SequenceNumber":960180,"PartitionId":"0","Owner":…, "Token":…,"Epoch":386}`. .NET and Azure
Functions write its keys like this, Java in lower camel case, Python with underscores.
"""

import json
from typing import Any

from ingest.source.checkpoints.foreign import number_in, offset_in

LARGEST_BYTES = 64 << 10
"""A real one has about 200 bytes."""


def position_in(content: bytes, partition: str) -> tuple[str | None, int | None] | None:
    """Returns (offset, sequence number), at least one of them known; None if the processor never wrote a position.
    Raises ValueError, with the reason, if the content is not a lease of this partition."""
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
    fields = _fields(content)
    if not {"offset", "sequencenumber"} & fields.keys():
        raise ValueError("it has neither an offset nor a sequence number")
    whose = fields.get("partitionid")
    if whose is not None and str(whose)[:100].lower() != partition.lower():
        raise ValueError(f"it is about partition {str(whose)[:100]!r}")
    offset_text, number_text = _text(fields.get("offset"), "offset"), _text(fields.get("sequencenumber"), "number")
    offset, number = offset_in(offset_text), number_in(number_text)
    # A new lease has no offset and number 0 until the first event is done.
    if offset is not None or number:
        return offset, number
    for text in (offset_text, number_text):
        if text.strip().lower() not in ("", "0", "-1", "none", "null", "no offset", str(-(1 << 63))):
            raise ValueError(f"{text[:100]!r} is no position")
    return None


def _fields(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content.strip(b"\0 \t\r\n"))
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON" if content else "it is empty") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return {key.lower().replace("_", ""): value for key, value in found.items()}


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"its {what} is neither text nor a whole number")
    try:
        return str(value)
    except ValueError:  # Python converts no number of more than 4300 digits to text
        raise ValueError(f"its {what} is too large") from None
