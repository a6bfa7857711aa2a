"""What `security.protocol` and `sasl.mechanism` say of a client, and whether a listener is for such clients. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingest.kafka.listener import Look, Speech


@dataclass(frozen=True, slots=True)
class Security:
    """The two parts of `security.protocol`, and how the client logs in."""

    tls: bool
    login: bool
    mechanism: str = field(default="", compare=False)
    """In capitals; empty if there is no login, or none is given."""

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> "Security":
        """Reads librdkafka's settings."""
        protocol = str(settings.get("security.protocol", "plaintext")).lower()
        mechanism = settings.get("sasl.mechanism", settings.get("sasl.mechanisms", ""))
        login = protocol.startswith("sasl")
        return cls(protocol in ("ssl", "sasl_ssl"), login, str(mechanism).upper() if login else "")

    @property
    def speech(self) -> Speech:
        return "tls" if self.tls else "plain"

    def __str__(self) -> str:
        return ("sasl_" if self.login else "") + ("ssl" if self.tls else "plaintext")


PLAINTEXT = Security(tls=False, login=False)


def mismatch(look: Look, security: Security) -> tuple[str, str] | None:
    """Returns (what the listener is, the fix) if it is not for clients of this `security`; else None."""
    if look.speaks is None:
        return None
    login = security.login if look.logins is None else bool(look.logins)
    wanted = Security(look.speaks == "tls", login)
    if wanted == security:
        return _other_mechanism(look, security)
    seen = []
    if wanted.tls != security.tls:
        seen.append("speaks TLS" if wanted.tls else "does not speak TLS")
    if wanted.login != security.login:
        seen.append(f"wants a login ({', '.join(look.logins or ())})" if wanted.login else "takes no login")
    what = f"{look.address} {' and '.join(seen)}, and security.protocol is {security}"
    fix = f'write "security.protocol" = "{wanted}" into [kafka.librdkafka]'
    if wanted.login and not security.login:
        fix += " with sasl.mechanism, sasl.username and sasl.password"
    if wanted.tls and not security.tls:
        fix += ', and "ssl.ca.location" for an authority of your own'
    return what, f"{fix}; or use the port of a listener for {security}"


def _other_mechanism(look: Look, security: Security) -> tuple[str, str] | None:
    if not look.logins or not security.mechanism or security.mechanism in look.logins:
        return None
    what = f"{look.address} takes logins by {', '.join(look.logins)}, and sasl.mechanism is {security.mechanism}"
    return what, 'write one of them as "sasl.mechanism" into [kafka.librdkafka], with what that login needs'


def wrong_kind(looks: Sequence[Look], security: Security) -> tuple[str, str] | None:
    """Returns what is told of the first listener if none of those that speak is for such clients; else None."""
    told = [mismatch(look, security) for look in looks if look.speaks is not None]
    return told[0] if told and all(told) else None
