"""The one line for people that systemd shows for a running service."""

from collections.abc import Iterable, Mapping, Sequence

from ingest.process.supervised import SupervisedProcess


def status_line(
    counted: Mapping[str, str], slots: Iterable[SupervisedProcess], unready: Sequence[str], note: str | None
) -> str:
    """`counted`: role → its `ingest.service.roles.Role.status`.

    Returns what works, the first reason why the service is not ready, and the note: the share of the hub, the last reload."""
    parts = []
    for role, words in counted.items():
        ready = [slot.ready for slot in slots if slot.task.role == role]
        if ready and words:
            parts.append(words.format(sum(ready), len(ready)))
    if not parts and not unready and note:  # it shares the hub with other nodes, and has none of it
        return note
    line = ", ".join(parts) or "starting"
    match unready:
        case [reason] if reason != "starting":
            line = f"{line}; {reason}"
        case [reason, *others] if others:
            line = f"{line}; {reason} (and {len(others)} more)"
    return f"{line}; {note}" if note else line
