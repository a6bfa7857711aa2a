"""Tokens of a Microsoft Entra identity, fetched with azure-identity, which is imported only when one is fetched.

Not DefaultAzureCredential: it tries one way after the other, and its errors name things that nobody set up.
"""

import importlib
import json
import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from ingest.address import parts_of
from ingest.config import Config, Identity
from ingest.errors import ConfigError, IngestError, Problem, Refused, Unreachable
from ingest.extras import installation_of
from ingest.hub.auth.contract import Held, Service
from ingest.hub.auth.held import HELD, Fetch
from ingest.hub.auth.usable import NotUsable, usable
from ingest.hub.network import storage_client
from ingest.hub.network.faults import REFUSALS, made_of, quoted

CONNECT_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 10.0
_AUTHORITY: Final = "login.microsoftonline.com"
_AUTHORITY_VARIABLE: Final = "AZURE_AUTHORITY_HOST"
_PLACES: Final = {
    "managed_identity": "the endpoint for managed identities of this machine",
    "workload_identity": "the token endpoint",
    "client_certificate": "the token endpoint",
    "client_secret": "the token endpoint",
}
_ARC_FIX: Final = (
    "see that the Azure Arc agent runs (azcmagent show) and that ingest's user is in the group himds, or may read "
    "/var/opt/azcmagent/tokens"
)
_MACHINE_FIX: Final = (
    "see that this machine has a managed identity (portal → virtual machine → Identity), and identity.client_id"
)
_REFUSALS: Final = {
    "7000215": "write the secret's value, not its id, into the file of identity.client_secret_file",
    "7000222": "the secret has run out: make a new one (portal → App registrations → Certificates & secrets)",
    "700016": "correct identity.client_id: the tenant has no such application",
    "7000112": "the application is disabled: enable it (portal → Enterprise applications → Properties)",
    "90002": "correct identity.tenant_id: there is no such tenant",
    "900023": "correct identity.tenant_id: it is neither a tenant's id nor one of its domains",
    "700027": "upload the certificate of identity.certificate_file to the application (portal → App registrations → "
    "Certificates & secrets)",
    "70021": "the application has no federated credential for this service account: add one (issuer, subject, audience)",
    "700211": "the application's federated credential names another issuer: correct it",
    "700212": "the application's federated credential names another audience: correct it",
    "700213": "the application's federated credential names another subject: correct it",
    "500011": "the tenant does not have that service yet: use it once there, or correct identity.tenant_id",
    "7000229": "the application has no service principal in the tenant: make it an enterprise application there",
    "53003": "a Conditional Access policy blocks it: except this workload identity, or let this network in",
}
"""Numbers of Entra's errors (AADSTS…) that waiting does not mend → what does."""
_PASSES: Final = {"700024": "see that this machine's clock is right (timedatectl)"}
"""The same for those that pass by themselves once that is done."""
_LOOK_UP: Final = "https://login.microsoftonline.com/error?code={} says what the number means"
_NUMBER: Final = re.compile(r"AADSTS(\d+)")
_TAIL: Final = re.compile(r"\s*Trace ID:.*", re.DOTALL)


def fetcher(config: Config, environ: Mapping[str, str] = os.environ) -> Fetch:
    """Returns what asks the token endpoint for the configuration's identity, and waits for its answer.

    It raises Refused if Entra does not know the identity, ConfigError if the configuration cannot be used, Unreachable if
    there is no answer, or one that passes with time.
    """

    def fetch(service: Service) -> Held:
        # A credential of its own each time: one that is kept gives its last token until that has almost run out.
        try:
            with _credential(config, environ) as credential:
                token = credential.get_token(service.scope)
            return usable(token.token, float(token.expires_on), time.time())
        except IngestError:
            raise
        except NotUsable as wrong:
            raise Unreachable(
                f"{_place(config, environ)} gives no token for {service.words} ({wrong}): see what answers there, and that this "
                "machine's clock is right (timedatectl)"
            ) from None
        except Exception as error:  # for an answer that is none the library raises whatever comes of it
            raise _failure(config, environ, error) from None

    return fetch


def fetch_here(config: Config) -> None:
    """Has tokens fetched by whoever asks for one in this process, for a command that runs alone."""
    if config.identity.auth != "key":
        HELD.fetch_with(fetcher(config))


def check(config: Config, environ: Mapping[str, str] = os.environ) -> None:
    """Asks nobody. Raises ConfigError if no token can be fetched with what the configuration says."""
    if config.identity.auth != "key":
        with _credential(config, environ):
            pass


def _credential(config: Config, environ: Mapping[str, str]) -> Any:
    """Returns azure-identity's credential; to be closed. Raises ConfigError."""
    identity = config.identity
    try:
        library: Any = importlib.import_module("azure.identity")
    except ImportError:
        raise ConfigError(
            [
                Problem(
                    "identity.auth",
                    f'"{identity.auth}"',
                    f"needs the package azure-identity: install the extra entra, as with {installation_of('entra')}",
                )
            ]
        ) from None
    options: dict[str, Any] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": ANSWER_SECONDS, "retry_total": 0}
    if identity.auth == "managed_identity":
        # This machine's own endpoint, or Azure Arc's: a proxy has another identity, or none.
        options |= {"use_env_settings": False} | ({"client_id": identity.client_id} if identity.client_id else {})
    else:
        # Otherwise each credential asks Microsoft's own cloud first whether the authority is one of Azure's.
        options |= {"disable_instance_discovery": True} | storage_client.options(
            config.proxy.towards(_authority(environ))
        )
    tenant, client = identity.tenant_id, identity.client_id
    try:
        match identity.auth:
            case "managed_identity":
                return library.ManagedIdentityCredential(**options)
            case "workload_identity":
                return library.WorkloadIdentityCredential(tenant_id=tenant or None, client_id=client or None, **options)
            case "client_certificate":
                pem = identity.certificate.reveal().encode()
                return library.CertificateCredential(tenant, client, certificate_data=pem, **options)
            case _:
                return library.ClientSecretCredential(tenant, client, identity.client_secret.reveal(), **options)
    except (ValueError, OSError, TypeError) as error:
        raise ConfigError([_unusable(identity, error)]) from None


def _unusable(identity: Identity, error: Exception) -> Problem:
    match identity.auth:
        case "client_certificate":
            fix = "cannot be read as a certificate with its private key, without a password, in PEM: write both into the file"
            return Problem("identity.certificate", "***", fix)
        case "client_secret":
            return Problem("identity.client_secret", "***", f"cannot be used ({type(error).__name__})")
        case _:
            return Problem("identity.auth", f'"{identity.auth}"', f"cannot be used: {quoted(str(error))}")


def _authority(environ: Mapping[str, str]) -> str:
    """The host of the token endpoint, as azure-identity finds it. Raises ConfigError."""
    text = environ.get(_AUTHORITY_VARIABLE, "").strip() or _AUTHORITY
    url = parts_of(text if "://" in text else f"https://{text}", "https")
    if url is None or url.hostname is None or url.username:
        fix = "is not the address of a token endpoint: write https://HOST, or leave the variable out"
        raise ConfigError([Problem(_AUTHORITY_VARIABLE, "", fix)])
    return url.hostname


def _failure(config: Config, environ: Mapping[str, str], error: Exception) -> IngestError:
    """What an error of azure-identity or of the connection below it means, without a token or a secret."""
    place = _place(config, environ)
    if config.identity.auth != "managed_identity":
        host = _authority(environ)
        fault = storage_client.fault(error, config.proxy.towards(host), host)
        if fault is not None:
            kind = Refused if fault.hop in REFUSALS else Unreachable
            return kind(f"{place} cannot be reached: {fault}")
    words = quoted(_TAIL.sub("", _words(error)).split("\nTo mitigate")[0].rstrip("."))
    number = _NUMBER.search(words)
    if number is not None and number[1] in _REFUSALS:
        return Refused(f"{place} refuses the identity ({words}): {_REFUSALS[number[1]]}")
    unread = next((each.filename for each in made_of(error) if isinstance(each, OSError) and each.filename), None)
    if number is not None:
        fix = _PASSES.get(number[1], _LOOK_UP.format(number[1]))
    elif config.identity.auth == "managed_identity":
        fix = _ARC_FIX if environ.get("IDENTITY_ENDPOINT") else _MACHINE_FIX
    elif unread is not None:  # the token of a pod's service account, which Kubernetes writes anew each hour
        fix = f"see that {unread} is there, and that ingest's user may read it"
    else:
        fix = "see whether this machine reaches it, and its clock is right"
    return Unreachable(f"{place} gives no token ({words}): {fix}")


def _place(config: Config, environ: Mapping[str, str]) -> str:
    """Who is asked for a token, for people."""
    place = _PLACES[config.identity.auth]
    return place if config.identity.auth == "managed_identity" else f"{place} {_authority(environ)}"


def _words(error: Exception) -> str:
    chain = list(made_of(error))
    # What is no JSON is not shown: it can have a token in it all the same.
    unread = any(isinstance(each, json.JSONDecodeError) for each in chain)
    words = "its answer is no JSON" if unread else str(error) or type(error).__name__
    statuses = (getattr(each, "status_code", None) for each in chain)
    status = next((each for each in statuses if isinstance(each, int) and each >= 300), None)
    return words if status is None or _NUMBER.search(words) else f"HTTP status {status}: {words}"
