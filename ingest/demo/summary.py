"""How a demo ended: in words, and as the JSON line that scripts rely on."""

import json
from dataclasses import dataclass

from ingest.demo.plan import Plan


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

    @property
    def as_json(self) -> str:
        return json.dumps(
            {
                "events_sent": self.sent,
                "events_in_kafka": self.in_kafka,
                "events_missing": self.missing,
                "events_duplicated": self.duplicated,
                "commands_sent": 0,
                "commands_delivered": 0,
                "commands_missing": 0,
                "seconds": round(self.seconds, 3),
            }
        )

    def in_words(self, plan: Plan) -> str:
        arrived = self.sent - self.missing
        rate = arrived / self.seconds if self.seconds else 0.0
        lines = [
            f"{plan.devices:,} devices sent {self.sent:,} events to a hub with {plan.partitions} partitions.",
            f"Kafka holds {self.in_kafka:,} records: {_many(self.missing, 'event')} missing, "
            f"{self.duplicated:,} duplicated, {self.out_of_order:,} out of order.",
            f"That took {self.seconds:.1f} s: {rate:,.0f} events/s.",
        ]
        if self.missing:
            examples = ", ".join(f"{device_id} #{counter}" for device_id, counter in self.missing_examples)
            lines.append(f"Missing: {examples}{', …' if self.missing > len(self.missing_examples) else ''}.")
        if self.unreadable:
            lines.append(f"{_many(self.unreadable, 'record')} came from no device of this demo.")
        return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
