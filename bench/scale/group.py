"""A Kafka consumer group, classic protocol, cooperative-sticky: what one member does reaches the others by their heartbeats.

A rebalance is a round: every member learns of it at its next heartbeat, joins again, and gets its partitions when the last one
has joined. Who has too many gives them up in a first round; a second one hands them on.
"""

import random

from ingest.cluster.kafka_group import DEFAULTS

SESSION_SECONDS: float = DEFAULTS["session.timeout.ms"] / 1000
HEARTBEAT_SECONDS: float = DEFAULTS["heartbeat.interval.ms"] / 1000
FIRST_SECONDS = 3.0
"""`group.initial.rebalance.delay.ms` of a broker: an empty group waits so long for more members."""
REQUEST_SECONDS = 0.005
"""One request to the coordinator."""


class Group:
    """Members by number, with the partitions that they have."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.shares: dict[int, int] = {}
        """Member → how many partitions it has."""
        self.moves = 0
        """Partitions that a living member gave up."""
        self._partitions = partitions
        self._random = random.Random(seed)

    def cold_start(self, members: int, starts: float) -> float:
        """All join an empty group within `starts` seconds. Returns seconds until all have their partitions."""
        joins = [self._random.uniform(0, starts) for _ in range(members)]
        seconds = min(joins) + FIRST_SECONDS
        # Who comes later than the first round ends is let in by another one.
        late = [one for one in joins if one > seconds]
        early = members - len(late)
        self.shares = dict(enumerate(self._even(early), 1))
        seconds += self._exchange()
        if late:
            seconds = max(seconds, *late)
            return seconds + self._admit(range(early + 1, members + 1))
        return seconds

    def join(self, member: int) -> float:
        """Returns seconds until shares are even again."""
        return self._admit([member])

    def crash(self, member: int) -> float:
        """Returns seconds until all partitions have an owner again."""
        return self._lose(member, SESSION_SECONDS - self._random.uniform(0, HEARTBEAT_SECONDS))

    def leave(self, member: int) -> float:
        """Gracefully. Returns seconds until all partitions have an owner again."""
        return self._lose(member, REQUEST_SECONDS)

    def _admit(self, members: "range | list[int]") -> float:
        self.shares |= dict.fromkeys(members, 0)
        even = sorted(self._even(len(self.shares)), reverse=True)
        before = sorted(self.shares.values(), reverse=True)
        self.moves += sum(max(0, old - new) for old, new in zip(before, even, strict=True))
        ranked = sorted(self.shares, key=lambda member: -self.shares[member])
        self.shares = dict(zip(ranked, even, strict=True))
        # The second round begins when the first of those that give up partitions has done so.
        return self._round() + self._round()

    def _lose(self, member: int, noticed: float) -> float:
        del self.shares[member]
        even = sorted(self._even(len(self.shares)), reverse=True)
        ranked = sorted(self.shares, key=lambda one: -self.shares[one])
        self.shares = dict(zip(ranked, even, strict=True))
        return noticed + self._round()

    def _even(self, members: int) -> list[int]:
        share, extra = divmod(self._partitions, members)
        return [share + (index < extra) for index in range(members)]

    def _round(self) -> float:
        slowest = max(self._random.uniform(0, HEARTBEAT_SECONDS) for _ in self.shares)
        return slowest + self._exchange()

    def _exchange(self) -> float:
        """Heartbeat's answer, JoinGroup, SyncGroup."""
        return 3 * REQUEST_SECONDS
