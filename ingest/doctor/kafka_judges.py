"""Judges the cluster's answers. Pure."""

from collections.abc import Sequence

from ingest.config import event_hubs
from ingest.doctor.check import Verdict, fail, ok, warn
from ingest.doctor.listener_judges import troubles
from ingest.hub.limits import EVENT_BYTES
from ingest.kafka.complaints import REFUSAL, fix_of, weight_of
from ingest.kafka.listener import Look
from ingest.kafka.security import PLAINTEXT, Security, mismatch
from ingest.kafka.topics_in_use import Use
from ingest.source.formats import FORMATS

_ENVELOPE_BYTES = 4 * 1024
"""Room for Kafka's own framing, and for a device id in two places."""
_MISSING = ("UNKNOWN_TOPIC_OR_PART", "_TIMED_OUT", "_UNSUPPORTED_FEATURE")
"""Error names for a topic that the cluster does not list; the last two if the cluster does not know the question."""


def judge_unreached(
    servers: str,
    errors: Sequence[tuple[str, str]],
    looks: Sequence[Look] = (),
    security: Security = PLAINTEXT,
) -> Verdict:
    """`errors`: (librdkafka's name, its text) of all that went wrong; the first is the last resort. `looks`: what other
    means found out about the listeners."""
    for look in looks:
        other = mismatch(look, security)
        if other is not None:
            return fail(f"{servers} does not answer: {other[0]}", other[1])
    name, words = sorted(errors, key=lambda error: weight_of(*error))[-1]
    fix = fix_of(name, words) if name not in ("_RESOLVE", "_ALL_BROKERS_DOWN") else None
    if weight_of(name, words) < REFUSAL:
        # librdkafka reports only one listener, and not why a connection dies.
        if len(looks) > 1 or any(look.trouble == "mute" for look in looks):
            words, fix = troubles(looks) or words, None
        if name == "_RESOLVE" or (looks and all(look.trouble == "no_address" for look in looks)):
            fix = "correct the host in kafka.bootstrap_servers, or mend this machine's DNS"
    default = "see whether kafka.bootstrap_servers is right, the brokers are up and no firewall is between"
    return fail(f"{servers} does not answer ({words})", fix or default)


def judge_cluster(servers: str, cluster: str | None, brokers: int, kind: str) -> Verdict:
    """Judges a cluster that has answered; `kind`: `kafka.kind`."""
    count = f"{brokers} broker{'s' * (brokers != 1)}"
    if kind == "event_hubs":
        return ok(f"{servers}: Azure Event Hubs, {count}")
    if event_hubs.is_namespace(servers):
        return warn(
            f"{servers} is an Azure Event Hubs namespace, which takes neither ingest's compression nor its time-outs",
            'write kafka.kind = "event_hubs"',
        )
    return ok(f"{servers}: cluster {cluster} of {count}")


def judge_topic_error(
    topic: str, name: str, words: str, *, makes_topics: bool | None, file: str, create: str = ""
) -> Verdict:
    """Judges a topic that cannot be described. `makes_topics`: whether brokers create one at its first use, None:
    unknown; `file`: of the configuration; `create`: how it is created if not by ingest."""
    create = create or f"ingest topics create -c {file}"
    if name == "TOPIC_AUTHORIZATION_FAILED":
        return fail(
            "this user may not see it",
            f"allow it: kafka-acls.sh --add --allow-principal User:NAME --operation All --topic {topic}",
        )
    if name not in _MISSING:
        return fail(words, "try again")
    if makes_topics:
        return warn("does not exist; the brokers make it at its first use, with their defaults", create)
    return fail("does not exist", create)


def judge_topic(topic: str, use: Use, *, partitions: int, rights: Sequence[str] | None, processes: int) -> Verdict:
    """Judges an existing topic. `rights`: of this user, in Kafka's words, None: unknown; `processes`: that read it."""
    has = f"{partitions} partition{'s' * (partitions != 1)}"
    missing = [] if rights is None else [wanted for wanted in use.split(" and ") if wanted.upper() not in rights]
    if missing:
        operations = " ".join(f"--operation {each.title()}" for each in missing)
        return fail(
            f"{has}, but this user may not {' and '.join(missing)} it",
            f"allow it: kafka-acls.sh --add --allow-principal User:NAME {operations} --topic {topic}",
        )
    if partitions < processes:
        return warn(
            f"{has} for sink.processes = {processes}: some will have nothing to do",
            f"give it more (kafka-topics.sh --alter --partitions {processes}), or lower sink.processes",
        )
    return ok(f"{has}, may {use}" if rights is not None else f"{has} (the cluster does not tell what this user may)")


def judge_size(limit: int | None, own_limit: int | None, form: str, *, dead_letters: bool) -> Verdict:
    """Compares the topic's `max.message.bytes` and librdkafka's `message.max.bytes` (None: unknown, not set) with the
    hub's largest event. `form`: `source.format`; dead letters carry the event unchanged."""
    most = min((each for each in (limit, own_limit) if each is not None), default=None)
    if most is None:
        return warn("the cluster does not tell max.message.bytes", f"see that it is {_needed('json')} or more")
    needed = _needed("raw" if dead_letters else form)
    if most >= needed:
        return ok(f"{most:,} bytes, enough for the hub's largest event ({EVENT_BYTES // 1024} KB)")
    which = "[kafka.librdkafka] message.max.bytes" if most == own_limit else "max.message.bytes of the topic"
    harm = "larger dead letters lose their body" if dead_letters else "larger events become dead letters"
    return warn(f"{most:,} bytes, and the hub's largest event needs {needed:,}: {harm}", f"raise {which} to {needed}")


def _needed(form: str) -> int:
    """Returns the bytes of the largest record of a format: that of an event with nothing but a body."""
    return EVENT_BYTES + FORMATS[form].overhead_bytes(EVENT_BYTES) + _ENVELOPE_BYTES


def judge_group(
    group: str, rights: Sequence[str] | None, members: Sequence[str], other_hub: tuple[str, str] | None = None
) -> Verdict:
    """Judges the sink's consumer group. `members`: its members now. `other_hub`: what is wrong, and the fix, if one
    is another hub's."""
    if rights is not None and "READ" not in rights:
        return fail(
            f"this user may not read as group {group}",
            f"allow it: kafka-acls.sh --add --allow-principal User:NAME --operation Read --group {group}",
        )
    if other_hub:
        return fail(*other_hub)
    if members:
        return ok(f"{group} is in use by {', '.join(members[:4])}; partitions are shared with who comes")
    return ok(f"{group} has no members now")


def judge_group_error(group: str, name: str, words: str) -> Verdict:
    """Judges a group that cannot be described."""
    if name == "GROUP_AUTHORIZATION_FAILED":
        return judge_group(group, (), ())
    if name == "GROUP_ID_NOT_FOUND":
        return ok(f"{group} is new")
    return warn(f"{group} cannot be looked at ({words})", "try again; old brokers do not tell")
