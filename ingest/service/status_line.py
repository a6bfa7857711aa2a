"""The one line for people that systemd shows of a running service."""

from collections.abc import Iterable, Sequence

from ingest.process.supervised import SupervisedProcess

_WORDS = (("source", "receiving {} of {} partitions"), ("sink", "sending with {} of {} workers"))


def status_line(slots: Iterable[SupervisedProcess], unready: Sequence[str], note: str | None) -> str:
    """What works, the first reason why the service is not ready, and the note on the last reload."""
    parts = []
    for role, words in _WORDS:
        ready = [slot.ready for slot in slots if slot.task.role == role]
        if ready:
            parts.append(words.format(sum(ready), len(ready)))
    line = ", ".join(parts) or "starting"
    match unready:
        case [reason] if reason != "starting":
            line = f"{line}; {reason}"
        case [reason, *others] if others:
            line = f"{line}; {reason} (and {len(others)} more)"
    return f"{line}; {note}" if note else line
