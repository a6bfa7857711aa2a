"""Checks the Event Hub-compatible endpoint: key, partitions, and their other readers."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.config import Config, Offsets
from ingest.doctor.check import Check, Verdict, fail, ok, warn
from ingest.doctor.endpoint import endpoint_checks
from ingest.doctor.identity import needs_token
from ingest.doctor.readers import judge_readers
from ingest.errors import IngestError, Refused, Unreachable
from ingest.hub import event_hubs
from ingest.hub.auth.contract import EVENT_HUBS
from ingest.hub.link_errors import link_ended
from ingest.hub.partition_look import SAMPLE, Attempt, try_to_read

NAME = "event hub"
KEY_CHECK = f"{NAME} key"
_KEY = "hub.event_hub_connection_string"
_NAMESPACE = "hub.event_hub_namespace"


class EventHubChecks:
    """For a configuration with an event hub."""

    def __init__(self, config: Config, *after: str) -> None:
        """`after`: the checks that find out whether an ingest runs here, see `ingest_runs_here`; without them this is
        unknown."""
        self._config = config
        self._address = event_hubs.address(config)
        self._after = after
        self.partitions: list[str] = []
        """Set by the key's check."""
        self.ingest_runs_here = False
        """Set by the caller before the check of the consumer group."""
        self.read_here: list[str] = []
        """The partitions that it reads; set likewise."""
        self.newest_event: datetime | None = None
        """When the first partition's newest event came, by the hub's clock; set by the key's check, if at all."""

    def checks(self) -> list[Check]:
        route, context = event_hubs.way(self._config)
        reached = endpoint_checks(NAME, route, _KEY if self._address.key else _NAMESPACE, context)
        return [
            *reached,
            Check(KEY_CHECK, self._ask_key, needs=(reached[-1].name, *needs_token(self._config, EVENT_HUBS))),
            Check("partitions", self._judge_partitions, needs=(KEY_CHECK,), after=self._after),
            Check("consumer group", self._ask_readers, needs=("partitions",), after=self._after),
        ]

    def _ask_key(self) -> Verdict:
        with event_hubs.questions(self._config) as questions:
            try:
                self.partitions = questions.hub().partition_ids
            except Exception as error:
                ended = link_ended(error)
                kind = Refused if ended.verdict == "refused" else Unreachable
                return judge_answer(kind(str(ended)), self._address.policy, self._address.event_hub)
            who = f"policy {self._address.policy}" if self._address.key else "the identity"
            found = ok(f"{who} is known to {self._address.event_hub}")
            try:
                newest_ms = questions.partition(self.partitions[0]).newest_ms
                self.newest_event = datetime.fromtimestamp(newest_ms / 1000, UTC)
            except Exception:  # only the clock's check uses it, and it has other means
                return found
        return found

    def _judge_partitions(self) -> Verdict:
        start = self._config.source.start
        named = start.by_partition.keys() if isinstance(start, Offsets) else ()
        source = self._config.source
        return judge_partitions(
            self.partitions, source.partitions, tuple(named), self.read_here, source.partitions_check_seconds
        )

    def _ask_readers(self) -> Verdict:
        wanted = list(self._config.source.partitions) or self.partitions
        attempts: list[Attempt] = try_to_read(self._config, wanted[:SAMPLE])
        return judge_readers(
            self._config.source.consumer_group, attempts, len(wanted), ingest_runs_here=self.ingest_runs_here
        )


def judge_answer(error: IngestError, policy: str, event_hub: str) -> Verdict:
    """Judges the hub's refusal of the first question. `policy`: "" for an identity's."""
    words = str(error)
    if isinstance(error, Unreachable):
        return fail(words, "wait and try again; Azure's service health page tells about outages")
    if "expiredtoken" in words.lower():
        return fail(words, "set this machine's clock right (timedatectl): the token that it made was too old at once")
    if "not-found" in words:
        name = f"correct EntityPath in {_KEY}: {event_hub} is not the Event Hub-compatible name"
        return fail(words, name if policy else f"correct hub.event_hub_name: the namespace has no {event_hub}")
    if not policy:
        role = f"give the identity the role {EVENT_HUBS.role} on the Event Hub or its namespace"
        return fail(words, f"{role} (portal → Event Hubs namespace → Access control); it takes some minutes to work")
    return fail(
        words,
        f"copy {_KEY} again (portal → IoT Hub → Built-in endpoints); policy {policy} needs the right service connect",
    )


def judge_partitions(
    found: list[str],
    wanted: tuple[str, ...],
    started: tuple[str, ...],
    read_here: Sequence[str] = (),
    check_seconds: int = 0,
) -> Verdict:
    """Compares the hub's partitions with `source.partitions` and the table `source.start`. `read_here`: what an ingest
    on this machine reads now; `check_seconds`: how often it asks for more (0: never)."""
    for key, named in (("source.partitions", wanted), ("source.start", started)):
        unknown = [partition for partition in named if partition not in found]
        if unknown:
            return fail(
                f"{key} names {', '.join(unknown)}; the hub has {', '.join(found)}", f"correct {key} to what there is"
            )
    which = f"{len(found)} ({found[0]} to {found[-1]}), " + (
        f"reading {', '.join(wanted)}" if wanted else "reading all"
    )
    waiting = [partition for partition in wanted or found if partition not in read_here] if read_here else []
    if not waiting:
        return ok(which)
    seen = f"{which}; the ingest that runs here has no process for {', '.join(waiting)} now"
    if wanted:
        return warn(seen, "its log and /readyz say why")
    if not check_seconds:
        return warn(seen, "source.partitions_check_seconds is 0: it finds what was added when it is reloaded (SIGHUP)")
    return warn(
        seen, f"it asks every {check_seconds} s whether some were added; if that stays so, see its log and /readyz"
    )
