"""The section [identity]: who ingest is for Azure where a connection string has no key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ingest.config.keys import key
from ingest.config.kinds import Choice, SecretText, Text
from ingest.config.values import NO_SECRET, BadValue, Secret

Auth = Literal["key", "managed_identity", "workload_identity", "client_certificate", "client_secret"]
NEEDS: Final[Mapping[Auth, tuple[str, ...]]] = {
    "key": (),
    "managed_identity": (),
    "workload_identity": ("tenant_id", "client_id"),
    "client_certificate": ("tenant_id", "client_id", "certificate"),
    "client_secret": ("tenant_id", "client_id", "client_secret"),
}
"""Way to get a token → the keys without which there is none."""
VARIABLES: Final[Mapping[str, str]] = {"tenant_id": "AZURE_TENANT_ID", "client_id": "AZURE_CLIENT_ID"}
"""Key → where Kubernetes leaves its value for a workload identity."""
TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - the name of a variable
_ID: Final = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TENANT: Final = re.compile(r"(?i)[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?")


def check_tenant(text: str) -> None:
    """Raises BadValue unless the text can be a tenant: its id, or one of its domains."""
    if not _TENANT.fullmatch(text):
        raise BadValue("not a tenant; write its id (portal → Microsoft Entra ID → Overview → Tenant ID)")


def check_client(text: str) -> None:
    """Raises BadValue unless the text is an application's id."""
    if not _ID.fullmatch(text):
        raise BadValue("not the id of an application, such as 11111111-2222-3333-4444-555555555555")


def check_certificate(text: str) -> None:
    """Raises BadValue unless the text has a certificate and its private key, both in PEM."""
    for what, mark in (("certificate", "BEGIN CERTIFICATE-----"), ("private key", "PRIVATE KEY-----")):
        if mark not in text:
            raise BadValue(f"there is no {what} in it; write the certificate and its private key into one PEM file")
    if "ENCRYPTED" in text:
        raise BadValue("its private key has a password; write the key without one, and let root alone read the file")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who ingest is for Azure, wherever a connection string with a key is not given."""

    auth: Auth = key(
        "key",
        Choice(),
        "How ingest shows who it is, where there is no connection string with a key: as the managed identity of this\n"
        "machine, Azure Arc's included, or of its Kubernetes workload; as an application with a certificate or a\n"
        "secret; or nowhere.",
    )
    tenant_id: str = key(
        "", Text(check_tenant, "11111111-2222-3333-4444-555555555555"), "The application's tenant, its id or domain."
    )
    client_id: str = key(
        "",
        Text(check_client, "11111111-2222-3333-4444-555555555555"),
        "The application's id; of a managed identity only if it is a user-assigned one.",
    )
    certificate: Secret = key(
        NO_SECRET,
        SecretText(check_certificate, "-----BEGIN PRIVATE KEY-----…"),
        'For auth = "client_certificate": the certificate and its private key (PEM).',
    )
    client_secret: Secret = key(
        NO_SECRET, SecretText(str, "the secret's value"), 'For auth = "client_secret": the secret\'s value, not its id.'
    )
