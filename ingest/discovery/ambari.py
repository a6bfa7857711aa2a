"""Ambari's REST API, as in HDInsight and the Hortonworks platform → Kafka's brokers. Asks only through a `get`.

Source: Ambari's API reference (docs/api/v1), and the answers in `tests/vectors/ambari.json`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from ingest.address import before_port, parts_of
from ingest.config import Secret
from ingest.discovery.found import Found, Name
from ingest.discovery.http import Answer
from ingest.discovery.listeners import Listener, for_clients, listeners
from ingest.errors import Refused, Unreachable
from ingest.printable import printable

Get = Callable[[str], Answer]
"""A path from the root → the answer."""

MOST_BROKERS: Final = 1_000
_ZOOKEEPER_PORT: Final = 2181
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})")
_PUBLIC: Final = (".azurehdinsight.net", ".azurehdinsight.cn", ".azurehdinsight.us")


def base_url(text: str) -> str:
    """Returns the root of Ambari's address, whichever of its pages was pasted. Raises Refused."""
    if "@" in text:
        raise Refused("--url has a user and password in it, which others can see: use --user and --password-file.")
    parts = parts_of(text.strip(), "http", "https")
    if parts is None:
        raise Refused(
            f"--url {printable(text)[:200]} is no address: write http://headnodehost:8080 on the head node, or "
            "https://CLUSTER.azurehdinsight.net from outside."
        )
    scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    if scheme == "http" and host.endswith(_PUBLIC):
        raise Refused(f"--url http://{host} would send the password in the clear: write https://{host}.")
    return f"{scheme}://{before_port(host)}{f':{port}' if port else ''}"


def discover(get: Get, *, cluster: str | None, protocol: str | None) -> Found:
    """Returns the brokers of a cluster, with the port that clients use. `cluster`: None for the only one.

    Raises Refused with Ambari's own words, or Unreachable.
    """
    name = _cluster(get, cluster)
    root = f"/api/v1/clusters/{quote(name, safe='')}"
    hosts = _hosts(get, f"{root}/services/KAFKA/components/KAFKA_BROKER")
    if not hosts:
        raise Refused(f"cluster {name} has no Kafka broker: choose another with --cluster.")
    configuration = _configurations(get, root, hosts)
    chosen: dict[str, Listener] = {}
    for host in hosts:
        chosen[host] = _listener(host, configuration[host], protocol)
    protocols = {each.protocol for each in chosen.values()}
    if len(protocols) > 1:
        raise Refused(f"the brokers have different protocols ({', '.join(sorted(protocols))}): choose with --protocol.")
    servers = ",".join(f"{host}:{listener.port}" for host, listener in chosen.items())
    settings: dict[Name, str | int | Secret] = {("kafka", "bootstrap_servers"): servers}
    [used] = protocols
    if used != "PLAINTEXT":
        settings["kafka", "librdkafka", "security.protocol"] = used.lower()
    others = sorted({each.protocol for each in listeners(configuration[hosts[0]])} - {used})
    notes = [f"Ambari's cluster {name}: {len(hosts)} broker{'s' * (len(hosts) != 1)}, listener {used}."]
    if others:
        notes.append(f"The brokers also listen for {', '.join(others)}: choose with --protocol.")
    if zookeeper := _zookeeper(get, root, configuration[hosts[0]]):
        notes.append(f"ZooKeeper, which nothing here needs: {zookeeper}")
    return Found(settings, tuple(notes))


def _cluster(get: Get, wanted: str | None) -> str:
    path = "/api/v1/clusters"
    names = [_text(path, item, "Clusters", "cluster_name") for item in _list(path, _ask(get, path), "items")]
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    listed = printable(", ".join(names)) or "none"
    if wanted is None:
        raise Refused(
            f"Ambari has {len(names)} clusters ({listed}): choose one with --cluster."
            if names
            else "Ambari has no cluster."
        )
    meant = next((name for name in names if name.lower() == wanted.lower()), None)
    hint = f"names are case-sensitive, did you mean {printable(meant)}?" if meant else f"Ambari has {listed}."
    raise Refused(f"there is no cluster {printable(wanted)}: {hint}")


def _hosts(get: Get, path: str) -> list[str]:
    found = _list(path, _ask(get, path), "host_components")
    if len(found) > MOST_BROKERS:
        raise Refused(f"Ambari names {len(found)} hosts at {path}, and {MOST_BROKERS} are the most that make sense.")
    hosts = [_text(path, item, "HostRoles", "host_name") for item in found]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise Refused(f"Ambari names a host {printable(host)[:100]!r}, which is no name of one.")
    return list(dict.fromkeys(hosts))


def _configurations(get: Get, root: str, hosts: list[str]) -> dict[str, Mapping[str, object]]:
    """Returns host → the properties of kafka-broker in force there: those of a configuration group can differ."""
    path = f"{root}?fields=Clusters/desired_configs/kafka-broker"
    desired = _member(path, _ask(get, path), "Clusters", "desired_configs", "kafka-broker")
    tags = dict.fromkeys(hosts, _text(path, desired, "tag"))
    for override in desired.get("host_overrides") or () if isinstance(desired, dict) else ():
        if isinstance(override, dict) and override.get("host_name") in tags and isinstance(override.get("tag"), str):
            tags[override["host_name"]] = override["tag"]
    by_tag = {tag: _properties(get, root, tag) for tag in {_text(path, desired, "tag"), *tags.values()}}
    # A group's own version has only the differences.
    common = by_tag[_text(path, desired, "tag")]
    return {host: {**common, **by_tag[tag]} for host, tag in tags.items()}


def _properties(get: Get, root: str, tag: str) -> Mapping[str, object]:
    path = f"{root}/configurations?type=kafka-broker&tag={quote(tag, safe='')}"
    items = _list(path, _ask(get, path), "items")
    for item in items:
        properties = item.get("properties") if isinstance(item, dict) else None
        if isinstance(properties, dict):
            return properties
    raise Refused(f"Ambari has no properties of kafka-broker at {path}: the user may not be allowed to see them.")


def _listener(host: str, properties: Mapping[str, object], protocol: str | None) -> Listener:
    found = listeners(properties)
    between = str(properties.get("inter.broker.listener.name") or "")
    listener = for_clients(found, protocol, between)
    if listener is not None:
        return listener
    if found:
        has = ", ".join(f"{each.protocol} at {each.port}" for each in found)
        raise Refused(f"broker {host} has no listener for {protocol}, but {has}: choose with --protocol.")
    raise Refused(
        f"broker {host} has no listener in its configuration (kafka-broker: listeners): write kafka.bootstrap_servers yourself."
    )


def _zookeeper(get: Get, root: str, properties: Mapping[str, object]) -> str:
    """Returns it as in Kafka's own configuration, or else its hosts; empty if there is none (KRaft)."""
    if connect := str(properties.get("zookeeper.connect") or "").strip():
        return printable(connect)[:2_000]
    try:
        hosts = _hosts(get, f"{root}/services/ZOOKEEPER/components/ZOOKEEPER_SERVER")
    except (Refused, Unreachable):
        return ""
    return ",".join(f"{host}:{_ZOOKEEPER_PORT}" for host in hosts)


def _ask(get: Get, path: str) -> object:
    answer = get(path)
    if answer.status == 200:
        if isinstance(answer.body, dict):
            return answer.body
        raise Refused(f"{path} is answered, but not by Ambari, as it is no JSON object: check --url.")
    said = answer.body.get("message") if isinstance(answer.body, dict) else None
    words = (
        f"Ambari says: {printable(' '.join(str(said).split()))[:300]}" if said else f"Ambari answers {answer.status}"
    )
    if answer.status == 401 and answer.challenge.strip().lower().startswith("negotiate"):
        raise Refused(f"{words}; it asks for Kerberos, which is not spoken here: use a local user of Ambari.")
    if answer.status in (401, 403):
        raise Refused(f"{words}; check --user and --password-file.")
    if answer.status == 404:
        raise Refused(f"{words} ({path}); check --url and --cluster, and that the cluster has Kafka.")
    if 300 <= answer.status < 400:
        raise Refused(f"{path} is redirected to {printable(answer.location)[:200] or 'nowhere'}: use that as --url.")
    if answer.status >= 500 or answer.status == 429:
        raise Unreachable(f"{words} (status {answer.status}, {path}): try again later.")
    raise Refused(f"{words} (status {answer.status}, {path}).")


def _member(path: str, value: object, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        raise Refused(f"Ambari's answer to {path} has no {'.'.join(names)}: is this Ambari, and may the user see it?")
    return value


def _text(path: str, value: object, *names: str) -> str:
    found = _member(path, value, *names)
    if not isinstance(found, str) or not found:
        raise Refused(f"Ambari's answer to {path} has no text in {'.'.join(names)}: is this Ambari?")
    return found


def _list(path: str, value: object, name: str) -> list[object]:
    found = _member(path, value, name)
    if not isinstance(found, list):
        raise Refused(f"Ambari's answer to {path} has no list in {name}: is this Ambari?")
    return found
