"""The result of a demo: in words, and as a JSON line for scripts."""

import json
from dataclasses import dataclass

from ingest.demo.plan import Plan


@dataclass(frozen=True, slots=True)
class Commands:
    sent: int
    """Counted by the operator; all else by the devices."""
    delivered: int
    """Number of different commands."""
    missing: int
    repeated: int
    out_of_order: int
    strange: int
    """Messages that the operator did not send."""
    seconds: float
    """From the first command sent to the last one that arrived."""
    missing_examples: list[tuple[str, int]]
    """(device id, counter)"""

    def in_words(self) -> list[str]:
        if not self.sent:
            return []
        lines = [
            f"An operator sent {_many(self.sent, 'command')}; the devices received {self.delivered:,} in "
            f"{self.seconds:.1f} s: {self.missing:,} missing, {self.repeated:,} repeated, "
            f"{self.out_of_order:,} out of order.",
        ]
        if self.missing:
            lines.append(_examples("Missing commands", self.missing_examples, self.missing))
        if self.strange:
            lines.append(f"Devices received {_many(self.strange, 'message')} that the operator had not sent.")
        return lines


@dataclass(frozen=True, slots=True)
class Summary:
    sent: int
    """Counted by the devices."""
    in_kafka: int
    """Records in the topic, repeats included."""
    missing: int
    duplicated: int
    out_of_order: int
    unreadable: int
    seconds: float
    """From the first event sent to the last one that arrived."""
    missing_examples: list[tuple[str, int]]
    """(device id, counter)"""
    commands: "Commands"
    delivery: str | None = None
    """As `source.delivery`; None if it was not asked for."""
    nodes: int = 1
    takeover_seconds: float | None = None
    """From the kill of one of several nodes until others received its partitions."""

    @property
    def complete(self) -> bool:
        """Whether everything that was sent has arrived."""
        return not self.missing and not self.commands.missing

    @property
    def as_json(self) -> str:
        return json.dumps(
            {
                "events_sent": self.sent,
                "events_in_kafka": self.in_kafka,
                "events_missing": self.missing,
                "events_duplicated": self.duplicated,
                "commands_sent": self.commands.sent,
                "commands_delivered": self.commands.delivered,
                "commands_missing": self.commands.missing,
                "seconds": round(self.seconds, 3),
                **({"delivery": self.delivery} if self.delivery is not None else {}),
                **self._of_nodes,
            }
        )

    @property
    def _of_nodes(self) -> dict[str, float | None]:
        if self.nodes == 1:
            return {}
        seconds = self.takeover_seconds
        return {"nodes": self.nodes, "takeover_seconds": None if seconds is None else round(seconds, 3)}

    def in_words(self, plan: Plan) -> str:
        arrived = self.sent - self.missing
        rate = arrived / self.seconds if self.seconds else 0.0
        lines = [
            f"{plan.devices:,} devices sent {self.sent:,} events to a hub with {plan.partitions} partitions.",
            f"Kafka holds {self.in_kafka:,} records: {_many(self.missing, 'event')} missing, "
            f"{self.duplicated:,} duplicated, {self.out_of_order:,} out of order.",
            f"That took {self.seconds:.1f} s: {rate:,.0f} events/s.",
        ]
        if self.takeover_seconds is not None:
            lines.append(
                f"One of {self.nodes} nodes was killed; the others received its partitions after "
                f"{self.takeover_seconds:.1f} s."
            )
        if self.missing:
            lines.append(_examples("Missing", self.missing_examples, self.missing))
        if self.unreadable:
            lines.append(f"{_many(self.unreadable, 'record')} came from no device of this demo.")
        return "\n".join(lines + self.commands.in_words())


def _examples(what: str, examples: list[tuple[str, int]], count: int) -> str:
    shown = ", ".join(f"{device_id} #{counter}" for device_id, counter in examples)
    return f"{what}: {shown}{', …' if count > len(examples) else ''}."


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
