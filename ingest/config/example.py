"""The annotated configuration of an instance under systemd, /etc/ingest/NAME.toml: generated from the schema.

`python -m ingest.config.example > systemd/example.toml` writes the installer's copy.
"""

from collections.abc import Mapping
from typing import Final

from ingest.config.kinds import Librdkafka, SecretText
from ingest.config.rendering import shown_value
from ingest.config.sections import KEYS, SECTIONS

CREDENTIALS: Final[Mapping[tuple[str, ...], str]] = {
    ("hub", "event_hub_connection_string"): "event-hub",
    ("hub", "iot_hub_connection_string"): "iot-hub",
    ("checkpoints", "blob_connection_string"): "blob",
    ("kafka.schema_registry", "password"): "registry-password",
    ("identity", "certificate"): "identity-certificate",
    ("identity", "client_secret"): "identity-secret",
    ("proxy", "password"): "proxy-password",
}
"""(section, key) → the credential that the units load for it (systemd.exec(5), LoadCredential=)."""
KAFKA_PASSWORD: Final = "kafka-password"  # noqa: S105 - the name of a file
_FILES: Final = {**CREDENTIALS, ("kafka", "connection_string"): KAFKA_PASSWORD}
"""The Event Hubs namespace's connection string is a password, too: a node has one or the other."""
_NEEDED: Final = ("event_hub_connection_string", "blob_connection_string")
_HEADER: Final = """\
# Configuration of one instance of ingest under systemd: copy it to /etc/ingest/NAME.toml.
#
# A key that is commented out has the value shown. No secret is in this file, which everyone may read: each is in a file
# of root's with mode 0600 in the folder /etc/ingest/NAME, and …_file = "blob" means /etc/ingest/NAME/blob.
# systemd hands it over at the start, so a changed secret needs a restart; everything else but [metrics] needs
# `systemctl reload` only. Check first:
#     CREDENTIALS_DIRECTORY=/etc/ingest/NAME ingest check-config -c /etc/ingest/NAME.toml
"""
_UNITS_SAY: Final = {("checkpoints", "path"): "The units set it: /var/lib/ingest/NAME/checkpoints."}
_LIBRDKAFKA: Final = (
    '"security.protocol" = "sasl_ssl"',
    '"sasl.mechanism" = "PLAIN"',
    '"sasl.username" = "ingest"',
    f'"sasl.password_file" = "{KAFKA_PASSWORD}"',
    '"compression.type" = "lz4"',
)


def instance_toml() -> str:
    """Returns a TOML file with every key, its meaning, unit or choices, and default, commented out unless required."""
    lines = [_HEADER]
    for section, kind in SECTIONS.items():
        lines.append(f"# {kind.__doc__}\n[{section}]")
        defaults = kind()
        for name, key in KEYS[section].items():
            doc = f"{key.doc} ({key.kind.allowed})" if key.kind.allowed else key.doc
            lines += [f"# {line}" for line in doc.splitlines()]
            if (section, name) in _UNITS_SAY:
                lines.append(f"# {_UNITS_SAY[section, name]}")
            if isinstance(key.kind, Librdkafka):
                lines += [f"[{section}.{name}]", *(f"#{line}" for line in _LIBRDKAFKA)]
            elif isinstance(key.kind, SecretText):
                lines.append(f'{"" if name in _NEEDED else "#"}{name}_file = "{_FILES[section, name]}"')
            else:
                lines.append(f"#{name} = {key.commented_example or shown_value(getattr(defaults, name))}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(instance_toml(), end="")
