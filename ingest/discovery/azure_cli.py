"""What the Azure CLI prints of an IoT hub → connection strings, tier, units. Pure.

It takes what `az iot hub show`, `az iot hub policy show` and `az iot hub connection-string show` print, of any version, with
or without `--query`, as JSON or bare text (`-o tsv`), several outputs one after another.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ingest.config import Secret, connection_strings
from ingest.config.values import BadValue
from ingest.discovery.cli_output import Bare, values
from ingest.discovery.found import Found, Name
from ingest.errors import Refused
from ingest.printable import printable

_Address = TypeVar("_Address")
_ENDPOINT: Final = re.compile(r"sb://[A-Za-z0-9.-]+(?::[0-9]+)?")
_KEY: Final = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LONG_KEY: Final = 40
"""No hub name is this long and looks like Base64."""
_WORD: Final = re.compile(r"[A-Za-z0-9+/][A-Za-z0-9+/-]{0,99}")
_MOST_WORDS: Final = 10
_COUNT: Final = re.compile(r"[0-9]{1,4}")
_HOST: Final = re.compile(r"(?i)[a-z0-9][a-z0-9-]*\.azure-devices\.[a-z.]+")
_STRING: Final = re.compile(r"(?i)\b(?:HostName|Endpoint)\s*=[^\s\"',]*;[^\s\"',]*")
_NO_SERVICE: Final = frozenset(("device", "registryread", "registryreadwrite"))
"""Policies that every hub has and that may neither read telemetry nor send commands."""
_SERVICE: Final = ("service", "iothubowner")
_TIERS: Final = frozenset(("F1", "S1", "S2", "S3"))
_MOST_UNITS: Final = 200
_MOST_HUBS: Final = 1_000
_MOST_DEPTH: Final = 5
_COMMANDS: Final = (
    "pipe in what `az iot hub show`, `az iot hub policy show` and `az iot hub connection-string show` print, "
    "with -o json."
)


@dataclass(slots=True)
class _Hub:
    """What is known of one hub."""

    host: str = ""
    endpoint: str = ""
    path: str = ""
    partitions: int | None = None
    retention_days: int | None = None
    tier: str = ""
    units: int | None = None
    keys: dict[str, str] = field(default_factory=dict)
    """Policy → primary key."""
    iot_hub: dict[str, str] = field(default_factory=dict)
    """Policy → connection string."""
    event_hub: dict[str, str] = field(default_factory=dict)
    unable: list[str] = field(default_factory=list)
    """Policies without the right to connect to the service."""


def discover(text: str, *, hub: str | None = None) -> Found:
    """Returns what the outputs say of one hub. `hub`: its name, if they describe several.

    Raises Refused, without any secret in its text.
    """
    read = _Reader()
    for value in values(text):
        read.take(value)
    return _found(read.hub_named(hub))


class _Reader:
    """Gathers by hub; output without a hub's name belongs to the only hub."""

    def __init__(self) -> None:
        self._hubs: dict[str, _Hub] = {}
        self._loose = _Hub()
        self._words: list[str] = []
        """Bare texts, each perhaps a name or a key."""

    def take(self, value: object, hub: str = "", depth: int = 0) -> None:
        if depth > _MOST_DEPTH:
            raise Refused(f"az printed lists within lists, which say nothing of a hub: {_COMMANDS}")
        match value:
            case Bare():
                self._bare(value)
            case str():
                self._text(value, hub)
            case list():
                for item in value:
                    self.take(item, hub, depth + 1)
            case dict():
                self._object(_lower(value), hub, depth + 1)
            case int() if not isinstance(value, bool):
                self._loose.partitions = value
            case _:
                raise Refused(f"az printed {value}, so its --query finds nothing: leave --query out.")

    def hub_named(self, name: str | None) -> _Hub:
        found = self._hubs
        if name is not None:
            wanted = name.lower().partition(".")[0]
            if found and wanted not in found:
                raise Refused(
                    f"there is no hub {printable(name)} in what az printed, but {printable(', '.join(found))}."
                )
            found = {wanted: found.get(wanted, _Hub())}
        if len(found) > 1:
            raise Refused(f"az printed {len(found)} hubs ({printable(', '.join(found))[:500]}): choose one with --hub.")
        hub = _merged(next(iter(found.values()), _Hub()), self._loose)
        for word in self._words:
            if not hub.path:
                hub.path = word
            elif not hub.keys and word not in (hub.path, hub.host.partition(".")[0]) and _KEY.fullmatch(word):
                hub.keys["service"] = word
        return hub

    def _hub(self, name: str) -> _Hub:
        """Returns the hub by its name, or by the host whose first label is the name."""
        key = name.lower().partition(".")[0]
        if key and key not in self._hubs and len(self._hubs) >= _MOST_HUBS:
            raise Refused(f"az printed more than {_MOST_HUBS} hubs: name one to az with --hub-name.")
        return self._hubs.setdefault(key, _Hub()) if key else self._loose

    def _object(self, value: Mapping[str, object], hub: str, depth: int) -> None:
        """Names are in lower case: a `--query` can write them in any case."""
        if isinstance(error := value.get("error"), dict):
            raise Refused(f"az has failed: {printable(str(error.get('message', error)))[:300]}.")
        properties = _lower(value.get("properties"))
        if properties:
            self._show(value, properties)
        elif "eventhubendpoints" in value or "hostname" in value:
            self._show({}, value)
        elif "keyname" in value or "primarykey" in value:
            self._policy(value, hub)
        elif "connectionstring" in value:
            self.take(value["connectionstring"], _str(value.get("name")) or hub, depth)
        elif _is_events(value):
            self._events(self._hub(hub), value)
        elif isinstance(value.get("value"), list):
            # `az rest` gives lists in this form.
            self.take(value["value"], hub, depth)
        elif "events" in value:
            self._events(self._hub(hub), _lower(value["events"]))
        elif "capacity" in value or "sku" in value:
            self._sku(self._hub(hub), _lower(value.get("sku")) or value)
        else:
            names = printable(", ".join(map(str, value)))[:200]
            raise Refused(f"az printed an object with {names or 'nothing'}, which says nothing of a hub: {_COMMANDS}")

    def _show(self, value: Mapping[str, object], properties: Mapping[str, object]) -> None:
        host = _str(properties.get("hostname"))
        hub = self._hub(host or _str(value.get("name")))
        hub.host = host or hub.host
        events = _lower(_lower(properties.get("eventhubendpoints")).get("events"))
        if events:
            self._events(hub, events)
        self._sku(hub, _lower(value.get("sku")))
        policies = properties.get("authorizationpolicies")
        for policy in policies if isinstance(policies, list) else ():
            if _str(_lower(policy).get("primarykey")):
                self._policy(_lower(policy), host or _str(value.get("name")))

    def _events(self, hub: _Hub, events: Mapping[str, object]) -> None:
        """Reads the endpoints, also under the names that the how-to's --query gives them."""
        for name, entry in events.items():
            if "endpoint" in name and isinstance(entry, str):
                match = _ENDPOINT.search(entry)
                if match is None:
                    raise Refused(
                        "the Event Hub-compatible endpoint that az printed is not of the form sb://NAME.servicebus…."
                    )
                hub.endpoint = f"{match[0]}/"
            elif ("path" in name or name.endswith("name")) and isinstance(entry, str):
                hub.path = entry.strip()
            elif "partition" in name and isinstance(entry, int) and not isinstance(entry, bool):
                hub.partitions = entry
            elif "retention" in name and isinstance(entry, int) and not isinstance(entry, bool):
                hub.retention_days = entry

    def _sku(self, hub: _Hub, sku: Mapping[str, object]) -> None:
        hub.tier = _str(sku.get("name")).upper() or hub.tier
        capacity = sku.get("capacity")
        if isinstance(capacity, int) and not isinstance(capacity, bool):
            hub.units = capacity

    def _policy(self, policy: Mapping[str, object], hub: str) -> None:
        key = _str(policy.get("primarykey"))
        if not key:
            raise Refused("the policy that az printed has no primaryKey: your account may not be allowed to see keys.")
        name = _str(policy.get("keyname")) or "service"
        rights = _str(policy.get("rights")).lower()
        if rights and "serviceconnect" not in rights:
            self._hub(hub).unable.append(name)
        else:
            self._hub(hub).keys[name] = key

    def _bare(self, line: Bare) -> None:
        strings = _STRING.findall(line)
        for text in strings:
            self._text(text, "")
        if strings:
            return
        for word in line.split():
            self._text(word, "")

    def _text(self, text: str, hub: str) -> None:
        text = text.strip().strip("\"'")
        low = text.lower().replace(" ", "")
        if low.startswith("hostname="):
            address = _checked(connection_strings.iot_hub, text)
            self._hub(hub or address.host).iot_hub[address.policy] = text
        elif low.startswith("endpoint="):
            address_of_events = _checked(connection_strings.event_hub, text)
            self._hub(hub).event_hub[address_of_events.policy] = text
        elif match := _ENDPOINT.search(text):
            self._loose.endpoint = f"{match[0]}/"
        elif _COUNT.fullmatch(text):
            self._loose.partitions = int(text)
        elif _KEY.fullmatch(text) and (text.endswith("=") or len(text) >= _LONG_KEY):
            self._loose.keys["service"] = text
        elif _HOST.fullmatch(text):
            self._loose.host = text
        elif low in ("null", "none", "true", "false"):
            raise Refused(f"az printed {text}, so its --query finds nothing: leave --query out.")
        elif _WORD.fullmatch(text) and len(self._words) < _MOST_WORDS:
            self._words.append(text)
        else:
            raise Refused(f"az printed a text of {len(text)} characters that is no part of a hub: {_COMMANDS}")


def _found(hub: _Hub) -> Found:
    _check_same_hub(hub)
    # The built-in endpoint takes the hub's own policies.
    for text in hub.iot_hub.values():
        iot = connection_strings.iot_hub(text)
        hub.host = hub.host or iot.host
        hub.keys.setdefault(iot.policy, iot.key.reveal())
    for text in hub.event_hub.values():
        events = connection_strings.event_hub(text)
        hub.keys.setdefault(events.policy, events.key.reveal())
    settings: dict[Name, str | int | Secret] = {}
    notes: list[str] = []
    policy = _best(hub.keys)
    if policy is not None and hub.endpoint and hub.path and not hub.event_hub:
        hub.event_hub[policy] = (
            f"Endpoint={hub.endpoint};SharedAccessKeyName={policy};SharedAccessKey={hub.keys[policy]};EntityPath={hub.path}"
        )
        _checked(connection_strings.event_hub, hub.event_hub[policy])
    if policy is not None and hub.host and not hub.iot_hub:
        hub.iot_hub[policy] = f"HostName={hub.host};SharedAccessKeyName={policy};SharedAccessKey={hub.keys[policy]}"
        _checked(connection_strings.iot_hub, hub.iot_hub[policy])
    for key, found in (("event_hub", hub.event_hub), ("iot_hub", hub.iot_hub)):
        chosen = _best(found)
        if chosen is None:
            continue
        settings["hub", f"{key}_connection_string"] = Secret(found[chosen])
        if len(found) > 1:
            others = printable(", ".join(sorted(set(found) - {chosen})))
            notes.append(f"hub.{key}_connection_string is of the policy {chosen}; there are also {others}.")
    if hub.retention_days is not None and 1 <= hub.retention_days <= 7:
        settings["hub", "retention_days"] = hub.retention_days
    if hub.tier in _TIERS:
        settings["sink", "tier"] = hub.tier
        if hub.units is not None and 1 <= hub.units <= _MOST_UNITS:
            settings["sink", "units"] = hub.units
    elif hub.tier:
        notes.append(
            f"The hub's tier {printable(hub.tier)[:20]} has no cloud-to-device messages: scale it to S1, S2 or S3 for commands."
        )
    if hub.partitions is not None:
        notes.append(f"The hub has {hub.partitions} partitions; ingest asks for them itself.")
    if hub.unable:
        names = printable(", ".join(hub.unable))[:200]
        notes.append(f"Without the right ServiceConnect, of no use here: the policy {names}.")
    missing = list(_missing(hub, settings))
    if not settings:
        known = hub.keys or hub.host or hub.endpoint or hub.path
        notes += missing if known else [f"There is nothing of a hub in what was piped in: {_COMMANDS}"]
        raise Refused(" ".join(notes).rstrip("."))
    notes += missing
    return Found(settings, tuple(notes))


def _check_same_hub(hub: _Hub) -> None:
    """Outputs of two hubs, one after another, must not become one configuration."""
    for text in hub.event_hub.values():
        address = connection_strings.event_hub(text)
        endpoint = _ENDPOINT.match(hub.endpoint)
        if (hub.path and address.event_hub != hub.path) or (endpoint and f"sb://{address.host}" != endpoint[0]):
            raise Refused(
                f"az printed the event hub {printable(address.event_hub)} and another: pipe in one hub at a time."
            )
    for text in hub.iot_hub.values():
        host = connection_strings.iot_hub(text).host
        if hub.host and host.lower() != hub.host.lower():
            raise Refused(
                f"az printed the hubs {printable(host)} and {printable(hub.host)}: pipe in one hub at a time."
            )


def _missing(hub: _Hub, settings: Mapping[Name, object]) -> Iterator[str]:
    policy = "`az iot hub policy show --name service`" if not hub.keys else ""
    if ("hub", "event_hub_connection_string") not in settings:
        needs = [command for command in (policy, "" if hub.endpoint and hub.path else "`az iot hub show`") if command]
        yield (
            f"For hub.event_hub_connection_string pipe in {' and '.join(needs)} too, or "
            "`az iot hub connection-string show --default-eventhub`."
        )
    if ("hub", "iot_hub_connection_string") not in settings:
        needs = [command for command in (policy, "" if hub.host else "`az iot hub show`") if command]
        yield (
            f"For hub.iot_hub_connection_string pipe in {' and '.join(needs)} too, or "
            "`az iot hub connection-string show --policy-name service`."
        )


def _best(by_policy: Mapping[str, object]) -> str | None:
    """Returns the policy with the fewest rights that suffice; None if none does."""
    able = [name for name in by_policy if name.lower() not in _NO_SERVICE]
    return min(able, key=lambda name: _SERVICE.index(name) if name in _SERVICE else len(_SERVICE), default=None)


def _merged(hub: _Hub, loose: _Hub) -> _Hub:
    return _Hub(
        hub.host or loose.host,
        hub.endpoint or loose.endpoint,
        hub.path or loose.path,
        loose.partitions if hub.partitions is None else hub.partitions,
        loose.retention_days if hub.retention_days is None else hub.retention_days,
        hub.tier or loose.tier,
        loose.units if hub.units is None else hub.units,
        {**loose.keys, **hub.keys},
        {**loose.iot_hub, **hub.iot_hub},
        {**loose.event_hub, **hub.event_hub},
        [*loose.unable, *hub.unable],
    )


def _checked(check: Callable[[str], _Address], text: str) -> _Address:
    try:
        return check(text)
    except BadValue as error:
        raise Refused(f"a connection string that az printed cannot be used: {error}.") from None


def _is_events(value: Mapping[str, object]) -> bool:
    return any("endpoint" in name or "partition" in name or "eventhub" in name for name in value)


def _lower(value: object) -> Mapping[str, object]:
    """Returns an object with its names in lower case; an empty one for everything else."""
    return {str(name).lower(): entry for name, entry in value.items()} if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
