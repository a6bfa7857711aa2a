"""What a comparison has found, as text and as JSON. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from ingest.printable import printable
from ingest.shadow.matching import SIDES, Differing, Leftovers, Matcher, Side, Waiting

MOST_FIELDS: Final = 20
"""Fields that the text counts."""


class Examples:
    """The first of each kind, as JSON values."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.differing: list[dict[str, Any]] = []
        self.unreadable: dict[Side, list[dict[str, Any]]] = {"old": [], "new": []}

    def differs(self, found: Differing) -> None:
        if len(self.differing) < self.most:
            places = {"old": _place(found.old), "new": _place(found.new)}
            fields = [difference._asdict() for difference in found.fields]
            self.differing.append({**_event(found.old), **places, "fields": fields})

    def cannot_be_read(self, side: Side, partition: int, offset: int, why: str) -> None:
        if len(self.unreadable[side]) < self.most:
            self.unreadable[side].append({"at": [partition, offset], "why": why})


class Report:
    """What `ingest shadow` says at its end."""

    def __init__(
        self,
        topics: Mapping[Side, str],
        matcher: Matcher,
        examples: Examples,
        *,
        unreadable: Mapping[Side, int],
        since_ms: int,
        grace_seconds: float,
    ) -> None:
        self._topics = topics
        self._matcher = matcher
        self._examples = examples
        self._unreadable = unreadable
        self._since_ms = since_ms
        self._grace_seconds = grace_seconds
        self.is_full = matcher.is_full
        nothing = Leftovers([], [], [])
        self._left = {"old": nothing, "new": nothing} if self.is_full else matcher.finish()

    @property
    def compared(self) -> int:
        """Events of which both topics have a record."""
        return self._matcher.equal + self._matcher.differing

    @property
    def is_equal(self) -> bool:
        """Whether something was compared, and nothing differs."""
        left = any(records for side in SIDES for records in self._left[side])
        return bool(self.compared) and not (
            self._matcher.differing or left or any(self._unreadable.values()) or self.is_full
        )

    def as_json(self) -> dict[str, Any]:
        left, examples, most = self._left, self._examples, self._examples.most
        kinds = {"missing": left["old"].alone, "extra": left["new"].alone}
        for side in SIDES:
            kinds[f"repeated_{side}"] = left[side].repeated
            # What one topic has, and the other has not come to yet.
            kinds[f"behind_{'new' if side == 'old' else 'old'}"] = left[side].behind
        return {
            "equal": self.is_equal,
            "topics": dict(self._topics),
            "from": _time(self._since_ms),
            "to": {side: _time(self._matcher.newest_ms[side]) for side in SIDES},
            "compared": self.compared,
            "differing": self._matcher.differing,
            "fields": dict(self._matcher.fields.most_common()),
            **{kind: len(records) for kind, records in kinds.items()},
            "unreadable_old": self._unreadable["old"],
            "unreadable_new": self._unreadable["new"],
            "unmatched_limit_exceeded": self.is_full,
            "examples": {
                "differing": examples.differing,
                **{
                    kind: [{**_event(each), "at": _place(each)} for each in records[:most]]
                    for kind, records in kinds.items()
                },
                "unreadable_old": examples.unreadable["old"],
                "unreadable_new": examples.unreadable["new"],
            },
        }

    def as_text(self) -> Iterator[str]:
        """Lines."""
        told = self.as_json()
        old, new = self._topics["old"], self._topics["new"]
        since = f" since {told['from']}" if told["from"] else ""
        yield f"{'compared':<12}{told['compared']} events{since}"
        yield f"{'differing':<12}{told['differing']}"
        for name, count in list(told["fields"].items())[:MOST_FIELDS]:
            yield f"  {name}: {count}"
        for found in told["examples"]["differing"]:
            yield f"  {_said(found)}, {_at(old, found['old'])} and {_at(new, found['new'])}:"
            for field in found["fields"][: self._examples.most]:
                yield f"    {field['field']}: {_value(field['old'])} → {_value(field['new'])}"
        for kind, topic, words in (
            ("missing", old, f"of {old} are not in {new}"),
            ("extra", new, f"of {new} are not in {old}"),
            ("repeated_old", old, f"of {old} come again more often than in {new}"),
            ("repeated_new", new, f"of {new} come again more often than in {old}"),
            ("behind_new", old, f"of {old} are later than all of {new}, {_come_to(told['to']['new'])}"),
            ("behind_old", new, f"of {new} are later than all of {old}, {_come_to(told['to']['old'])}"),
        ):
            count = told[kind]
            if count or kind in ("missing", "extra"):
                yield f"{kind.partition('_')[0]:<12}{count}{f' events {words}' if count else ''}"
            for found in told["examples"][kind]:
                yield f"  {_said(found)}, {_at(topic, found['at'])}"
        for side, topic in self._topics.items():
            if told[f"unreadable_{side}"]:
                yield f"{'unreadable':<12}{told[f'unreadable_{side}']} records of {topic}"
            for found in told["examples"][f"unreadable_{side}"]:
                yield f"  {_at(topic, found['at'])}: {found['why']}"
        yield self._conclusion(told)

    def _conclusion(self, told: Mapping[str, Any]) -> str:
        if self.is_equal:
            return "Both topics say the same."
        if self.is_full:
            return (
                f"Stopped: more than {self._matcher.unmatched - 1} records wait for the one of the other topic, so one of the "
                "two has no such events or is far behind. Missing and extra events were not counted: see that both run, and "
                "begin later with --from."
            )
        if not self.compared and not any(len(records) for side in SIDES for records in self._left[side]):
            return (
                "Nothing was compared: neither topic got an event in this time. Let it run longer (--seconds), or begin "
                "earlier (--from)."
            )
        return " ".join(("The topics differ.", *self._hints()))

    def _hints(self) -> Iterator[str]:
        if any(self._left[side].behind for side in SIDES):
            yield (
                f"One has not come to the end of the other within {self._grace_seconds:g} s: see that both run, or allow more "
                "with --grace."
            )
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            alone, begins = self._left[side].alone, self._matcher.oldest_ms[other]
            if alone and begins is not None and all(record.time_ms < begins for record in alone):
                yield (
                    f"{self._topics[other]} begins only at {_time(begins)}: if it was not written before, compare from "
                    f"there with --from {_time(begins)}."
                )


def _event(record: Waiting) -> dict[str, Any]:
    said = orjson.loads(record.excerpt)
    return {name: said[name] for name in ("deviceId", "sequenceNumber", "offset", "enqueuedTime")}


def _place(record: Waiting) -> list[int]:
    return list(record.place)


def _said(found: Mapping[str, Any]) -> str:
    device = found["deviceId"] or "no device"
    return printable(f"{device}, sequence number {found['sequenceNumber']}, {found['enqueuedTime'] or 'no time'}")


def _at(topic: str, place: list[int]) -> str:
    return f"{topic}[{place[0]}] at {place[1]}"


def _value(text: str | None) -> str:
    return "nothing" if text is None else printable(repr(text))


def _come_to(time: str | None) -> str:
    return "which has none" if time is None else f"which has come to {time}"


def _time(milliseconds: int | None) -> str | None:
    if not milliseconds:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
