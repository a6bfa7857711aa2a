"""Judges looks at Kafka's listeners, and says how to correct them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.doctor.check import Verdict, fail, ok, warn
from ingest.kafka.listener import Address, Look
from ingest.kafka.security import Security, mismatch

_SHOWN = 4
_MUTE = "no Kafka broker, with TLS or without: "
_LOOPBACK = ("localhost", "127.", "::1", "0.0.0.0")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as the cluster's metadata advertise it, and the result of a connection to that address."""

    number: int
    address: Address
    error: tuple[str, str] | None = None
    """librdkafka's name of the error, and its text; None if a client with our settings was served."""
    cluster: str | None = None
    """The id of the cluster that answered there."""
    look: Look | None = None
    """None: not looked at in time, or not needed."""


def troubles(looks: Sequence[Look]) -> str:
    """Returns why each unreached listener is not reached, in one clause; empty if all are."""
    told = [f"{look.address}: {_MUTE if look.trouble == 'mute' else ''}{look.words}" for look in looks if look.trouble]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return "; ".join(told[:_SHOWN]) + more


def judge_brokers(
    brokers: Sequence[Broker], cluster: str | None, bootstrap: str, security: Security, doors: Sequence[Look] = ()
) -> Verdict:
    """Judges whether clients reach every broker at its advertised address: records go there, wherever the first
    connection went. `doors`: the bootstrap servers that are not among those addresses."""
    wrong = [(broker, *told) for broker in brokers if (told := _trouble(broker, cluster, bootstrap, security))]
    if not wrong:
        shown = ", ".join(str(broker.address) for broker in brokers[:_SHOWN])
        more = f" and {len(brokers) - _SHOWN} more" if len(brokers) > _SHOWN else ""
        reached = f"reached at {shown}{more}, as advertised"
        others = [other[0] for door in doors if (other := mismatch(door, security))]
        shut = [told for told in (troubles(doors), *others) if told]
        if not shut:
            return ok(reached)
        return warn(
            f"{reached}; but of kafka.bootstrap_servers {'; '.join(shut)}",
            "correct it there: when the others are down, ingest cannot start with it",
        )
    seen = "; ".join(f"broker {broker.number} at {broker.address}: {words}" for broker, words, _ in wrong[:_SHOWN])
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return fail(f"{len(wrong)} of {len(brokers)} not reached as advertised: {seen}{more}", wrong[0][2])


def _trouble(broker: Broker, cluster: str | None, bootstrap: str, security: Security) -> tuple[str, str] | None:
    """Returns (what is wrong with it, the fix); None if nothing is."""
    number, address, look = broker.number, broker.address, broker.look
    listeners = f"advertised.listeners of broker {number}"
    if broker.error is None and look is None:
        if broker.cluster is None or cluster is None or broker.cluster == cluster:
            return None
        return f"another cluster answers there ({broker.cluster})", f"correct {listeners}: it leads to another cluster"
    if look is None:
        return "no answer in time", f"see whether {listeners} is an address that this machine can reach"
    if look.trouble == "no_address":
        return (
            f"the name has no address here ({look.words})",
            f"write a name into {listeners} that this machine can resolve, or make {address.host} known here (DNS, "
            "/etc/hosts)",
        )
    if _is_loopback(address.host) and not all(_is_loopback(each) for each in _hosts(bootstrap)):
        return (
            f"it advertises its own loopback ({look.words or 'which is this machine here'})",
            f"write an address into {listeners} that this machine can reach, not {address.host}",
        )
    if look.trouble == "no_connection":
        return (
            look.words,
            f"see whether {listeners} is an address that this machine can reach, the broker is up and a firewall lets "
            f"TCP port {address.port} through",
        )
    if look.trouble == "mute":
        return (
            f"{_MUTE}{look.words}",
            f"correct {listeners}, or see whether a proxy is between",
        )
    other = mismatch(look, security)
    if other is not None:
        return other[0], f"correct {listeners}: it leads to another kind of listener than that of {bootstrap}"
    if broker.error is None:
        return None
    name, words = broker.error
    if name == "_SSL":
        return (
            words,
            f"the broker's certificate must name {address.host}, and ssl.ca.location the authority that signed it",
        )
    if name == "_AUTHENTICATION":
        return words, "make the user and its password known to every broker"
    return words, f"see whether {listeners} leads to that broker"


def _hosts(bootstrap: str) -> list[str]:
    return [server.strip().rpartition(":")[0].strip("[]") for server in bootstrap.split(",")]


def _is_loopback(host: str) -> bool:
    return host.lower().startswith(_LOOPBACK)
