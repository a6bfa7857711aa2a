"""Checks that the token endpoint gives the identity a token, one for each service that takes it."""

from ingest.config import Config
from ingest.doctor.check import Check, Verdict, fail, ok
from ingest.errors import ConfigError, IngestError
from ingest.hub.auth import entra
from ingest.hub.auth.contract import Service
from ingest.hub.auth.held import HELD, News
from ingest.hub.auth.identity import needed

_SHORT_SECONDS = 300.0


def token_checks(config: Config) -> list[Check]:
    """Returns none for a configuration whose services all have keys. The tokens are held for the checks of the services."""
    return [
        Check(
            check_name(service),
            lambda service=service: _ask(config, service),  # type: ignore[misc]  # of this turn of the loop
            imports=("azure.identity",),
            if_silent="see whether this machine reaches the token endpoint, and whether a firewall or proxy is between",
        )
        for service in needed(config)
    ]


def needs_token(config: Config, service: Service) -> tuple[str, ...]:
    """Returns the check that must not fail before this service is asked; none if it is asked with a key."""
    return (check_name(service),) if service in needed(config) else ()


def check_name(service: Service) -> str:
    return f"token for {service.words}"


def _ask(config: Config, service: Service) -> Verdict:
    try:
        held = entra.fetcher(config)(service)
    except ConfigError as error:
        [problem] = error.problems
        return fail(f"{problem.key} cannot be used", problem.fix)
    except IngestError as error:
        # The service's own words are in brackets, and may have colons.
        seen, bracket, fix = str(error).rpartition("): ")
        return fail(f"{seen})" if bracket else str(error), fix if bracket else "")
    HELD.take({service.name: News(held)})
    left = held.seconds()
    return judge_life(left, config.identity.auth)


def judge_life(seconds: float, auth: str) -> Verdict:
    """`seconds`: how long a token holds that was fetched just now."""
    if seconds < _SHORT_SECONDS:
        return Verdict(
            "warn",
            f"{auth}: a token that holds {seconds:.0f} s only",
            "see that this machine's clock is right (timedatectl): Entra's tokens hold an hour or more",
        )
    return ok(f"{auth}: a token that holds {seconds / 3600:.1f} h")
