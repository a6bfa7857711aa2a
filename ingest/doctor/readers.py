"""Judges from looks at the event hub's partitions whether the consumer group is free or taken, and by which reader."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.doctor.check import Verdict, fail, ok, warn
from ingest.hub.owner_level import SHARED, level_in
from ingest.hub.partition_look import Attempt

_FIRST_LIKELY_MS = 1_577_836_800_000
"""2020. An ingest's owner level is the start time of its process, in ms since 1970."""


def judge_readers(group: str, attempts: Sequence[Attempt], partitions: int, *, ingest_runs_here: bool) -> Verdict:
    """Judges the consumer group by the attempts. `partitions`: how many will be read in all."""
    looked = (
        f"all {partitions} partitions" if len(attempts) == partitions else f"{len(attempts)} of {partitions} partitions"
    )
    for attempt in attempts:
        if attempt.reason == "not_found":
            return fail(
                f"{group} does not exist at the hub",
                "create it (portal → IoT Hub → Built-in endpoints → Consumer groups), or correct source.consumer_group",
            )
        if attempt.reason == "unauthorized":
            return fail(attempt.words, "use a policy with the right service connect (Listen): this one may not read")
    taken = [attempt for attempt in attempts if attempt.reason == "stolen"]
    crowded = [attempt.partition for attempt in attempts if attempt.reason == "too_many_readers"]
    other = [attempt for attempt in attempts if attempt.reason not in ("", "stolen", "too_many_readers")]
    if taken:
        holder = f"{group}: {_named(taken)} taken by {_holder(taken[0].words)}"
        if ingest_runs_here:
            return ok(f"{holder}; an ingest runs on this machine")
        return warn(
            holder,
            "end that one first, or give this one a source.consumer_group of its own: started now, it would take the "
            "partitions away",
        )
    if crowded:
        return warn(
            f"{group}: 5 others read partition {', '.join(crowded)}, without owner level",
            "give ingest a source.consumer_group of its own: it would throw those readers out",
        )
    if other:
        return warn(
            f"{group}: partition {other[0].partition}: {other[0].words or 'the hub did not answer in time'}",
            "try again",
        )
    return ok(f"{group} is free (looked at {looked})")


def _named(taken: Sequence[Attempt]) -> str:
    return f"partition{'s' * (len(taken) > 1)} {', '.join(attempt.partition for attempt in taken)}"


def _holder(words: str) -> str:
    """Returns the holder of a partition, from the hub's refusal."""
    level = level_in(words)
    if level is None:
        return "another reader with an owner level"
    if level == SHARED:
        return "an Event Hubs processor, or an ingest that shares partitions by ownership blobs"
    if level < _FIRST_LIKELY_MS:
        return f"a reader with owner level {level} (not an ingest)"
    try:
        began = datetime.fromtimestamp(level / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"a reader with owner level {level} (not an ingest)"
    return f"an ingest that began at {began:%Y-%m-%dT%H:%M:%SZ}"
