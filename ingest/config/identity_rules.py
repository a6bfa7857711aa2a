"""Rules about [identity]: what each way to get a token needs, and where it may be shown."""

from collections.abc import Iterator, Mapping
from typing import Final

from ingest.config.connection_strings import KEYS_ONLY_FIX
from ingest.config.identity import NEEDS, TOKEN_FILE, VARIABLES
from ingest.config.schema import Config
from ingest.errors import Problem

Broken = Iterator[tuple[tuple[str, ...], Problem]]
"""The keys that a rule is about, and the problem."""
_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "hub.event_hub_namespace": ("hub.event_hub_connection_string", "NAME.servicebus.windows.net"),
    "hub.iot_hub_host": ("hub.iot_hub_connection_string", "NAME.azure-devices.net"),
    "checkpoints.blob_account_url": ("checkpoints.blob_connection_string", "https://ACCOUNT.blob.core.windows.net"),
}
"""Key of a place that an identity is shown to → the key of the connection string that may stand there instead."""


def broken_identity(config: Config, environ: Mapping[str, str]) -> Broken:
    """Yields every broken rule."""
    given = {name: name_value for name in _PLACES if (name_value := _value(config, name))}
    for name, value in given.items():
        string = _PLACES[name][0]
        if _value(config, string):
            fix = f"{string} is given, too, and has a key: keep one of the two"
            yield (name, string), Problem(name, f'"{value}"', fix)
    yield from _event_hub(config)
    if config.identity.auth == "key":
        yield from _keys_only(config, given)
    else:
        yield from _needs(config, environ)
        if not given:
            keys = ", ".join(_PLACES)
            fix = (
                f"no service is reached with an identity: write {keys}, or leave identity.auth out. The built-in endpoint of an "
                f"IoT hub takes keys only: {KEYS_ONLY_FIX}"
            )
            yield ("identity.auth", *_PLACES), Problem("identity.auth", f'"{config.identity.auth}"', fix)


def _value(config: Config, name: str) -> object:
    section, _, key = name.partition(".")
    return getattr(getattr(config, section), key)


def _event_hub(config: Config) -> Broken:
    hub = config.hub
    both = ("hub.event_hub_namespace", "hub.event_hub_name")
    if hub.event_hub_namespace and not hub.event_hub_name:
        fix = "is required by hub.event_hub_namespace: write the name of the Event Hub that the route leads to"
        yield both, Problem(both[1], "", fix)
    if hub.event_hub_name and not hub.event_hub_namespace:
        string = " (hub.event_hub_connection_string has the name in it)" if hub.event_hub_connection_string else ""
        fix = f"is of use only beside hub.event_hub_namespace: write that, or leave this key out{string}"
        yield both, Problem(both[1], f'"{hub.event_hub_name}"', fix)


def _keys_only(config: Config, given: Mapping[str, object]) -> Broken:
    for name, value in given.items():
        fix = (
            f"is reached with an identity, and there is none: write identity.auth, such as "
            f'"managed_identity", or {_PLACES[name][0]} instead of this key'
        )
        yield (name, "identity.auth"), Problem(name, f'"{value}"', fix)


def _needs(config: Config, environ: Mapping[str, str]) -> Broken:
    identity = config.identity
    needs = NEEDS[identity.auth]
    workload = identity.auth == "workload_identity"
    for key in needs:
        if not getattr(identity, key) and not (workload and environ.get(VARIABLES[key], "").strip()):
            name = f"identity.{key}"
            secret = key in ("certificate", "client_secret")
            write = f"write the path of a file with it as {name}_file" if secret else "write it"
            otherwise = f", or {VARIABLES[key]} in the environment, which Kubernetes sets" if workload else ""
            yield (
                (name, "identity.auth"),
                Problem(name, "", f'is required by identity.auth = "{identity.auth}": {write}{otherwise}'),
            )
    if workload and not environ.get(TOKEN_FILE, "").strip():
        fix = (
            f"needs {TOKEN_FILE} in the environment, which Kubernetes sets for a pod whose service account has the label "
            "azure.workload.identity/use: run ingest in such a pod, or choose another way"
        )
        yield ("identity.auth",), Problem("identity.auth", '"workload_identity"', fix)
    for key in ("certificate", "client_secret"):
        if key not in needs and getattr(identity, key):
            fix = f'is not used by identity.auth = "{identity.auth}": leave it out, or write identity.auth = "{_way_of(key)}"'
            yield (f"identity.{key}", "identity.auth"), Problem(f"identity.{key}", "***", fix)


def _way_of(key: str) -> str:
    return next(way for way, needs in NEEDS.items() if key in needs)
